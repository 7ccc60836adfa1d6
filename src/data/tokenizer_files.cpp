// SPDX-License-Identifier: MIT
// The files of a tokenizer: GPT-2's pair under either name, Hugging Face's one.
#include <algorithm>

#include "data/tokenizer_parts.hpp"
#include "io/digest.hpp"
#include "io/publish.hpp"

namespace lrd {

namespace {

struct FileNames {
    const char *vocab, *merges;
};
constexpr FileNames our_names = {"vocab.json", "merges.txt"};  // and Hugging Face's
constexpr FileNames openai_names = {"encoder.json", "vocab.bpe"};
constexpr const char* one_file = "tokenizer.json";  // of Hugging Face

bool is_pair_in(const std::filesystem::path& dir, const FileNames& names) {
    return std::filesystem::exists(dir / names.vocab) &&
           std::filesystem::exists(dir / names.merges);
}

void read_merges(const std::string& path, tokenizer_parts::Merges& merges) {
    const std::string text = read_text(path);
    int number = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line(text.data() + at, end - at);
        at = end + 1;
        ++number;
        if (!line.empty() && line.back() == '\r') {
            line.remove_suffix(1);
        }
        if (line.empty() || (number == 1 && line.starts_with("#version"))) {
            continue;
        }
        merges.add(line, fmt::format("{}:{}", path, number));
    }
}

Tokenizer load_pair(const std::filesystem::path& dir, const FileNames& names) {
    const std::string vocab_path = (dir / names.vocab).string();
    const std::string merges_path = (dir / names.merges).string();
    return tokenizer_parts::assemble(
        Json::parse(read_text(vocab_path), vocab_path), vocab_path, names.vocab, merges_path,
        [&](tokenizer_parts::Merges& merges) { read_merges(merges_path, merges); });
}

}  // namespace

bool Tokenizer::is_in(const std::filesystem::path& dir) {
    return is_pair_in(dir, our_names) || is_pair_in(dir, openai_names) ||
           std::filesystem::exists(dir / one_file);
}

Tokenizer Tokenizer::load(const std::filesystem::path& dir) {
    for (const FileNames& names : {our_names, openai_names}) {  // ours where there are several
        if (is_pair_in(dir, names)) {
            return load_pair(dir, names);
        }
    }
    if (std::filesystem::exists(dir / one_file)) {
        return tokenizer_parts::load_one_file((dir / one_file).string());
    }
    for (const FileNames& names : {our_names, openai_names}) {  // says that its merges are missing
        if (std::filesystem::exists(dir / names.vocab)) {
            return load_pair(dir, names);
        }
    }
    fail(ExitCode::missing_input, "{}: no tokenizer here; it needs {} and {}, {} and {}, or {}",
         dir.string(), our_names.vocab, our_names.merges, openai_names.vocab, openai_names.merges,
         one_file);
}

std::string Tokenizer::vocab_text() const {
    std::string text = "{";
    for (std::int32_t id = 0; id < vocab_size(); ++id) {
        const std::string name = id == end_of_text_ ? tokenizer_parts::end_of_text_name
                                                    : tokenizer_parts::to_text(bytes_of(id));
        text += fmt::format("{}\n{}: {}", id == 0 ? "" : ",", Json(name).dump(), id);
    }
    return text + "\n}\n";
}

std::string Tokenizer::merges_text() const {
    std::string text = "#version: 0.2\n";
    for (const Merge& merge : merges_) {
        text += tokenizer_parts::to_text(bytes_of(merge.left)) + " " +
                tokenizer_parts::to_text(bytes_of(merge.right)) + "\n";
    }
    return text;
}

void Tokenizer::save(const std::filesystem::path& dir) const {
    write_text_and_fsync((dir / our_names.vocab).string(), vocab_text());
    write_text_and_fsync((dir / our_names.merges).string(), merges_text());
}

std::string Tokenizer::sha256() const { return lrd::sha256(vocab_text() + merges_text()); }

}  // namespace lrd
