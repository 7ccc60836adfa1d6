// SPDX-License-Identifier: MIT
// A tokenizer's two files in GPT-2's text form: every byte is one printable character, so that
// tokens are words without blanks.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "core/check.hpp"
#include "data/tokenizer.hpp"
#include "data/utf8.hpp"
#include "io/digest.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"

namespace lrd {

namespace {

struct FileNames {
    const char *vocab, *merges;
};
constexpr FileNames our_names = {"vocab.json", "merges.txt"};  // and Hugging Face's
constexpr FileNames openai_names = {"encoder.json", "vocab.bpe"};

constexpr const char* end_of_text_name = "<|endoftext|>";

// openai/gpt-2, encoder.py, bytes_to_unicode(): printable Latin-1 stands for itself, the others are
// moved to U+0100 and on in the order of their bytes.
std::array<std::string, 256> make_byte_texts() {
    std::array<std::string, 256> texts;
    std::uint32_t moved = 256;
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
        append_utf8(texts[byte], printable ? byte : moved++);
    }
    return texts;
}

const std::array<std::string, 256>& byte_texts() {
    static const auto texts = make_byte_texts();
    return texts;
}

std::string to_text(const std::string& bytes) {
    std::string text;
    for (const char c : bytes) {
        text += byte_texts()[static_cast<unsigned char>(c)];
    }
    return text;
}

/// False if `text` holds a character that stands for no byte.
bool from_text(std::string_view text, std::string& bytes) {
    static const auto inverse = [] {
        std::unordered_map<std::string_view, char> map;
        for (std::size_t byte = 0; byte < 256; ++byte) {
            map.emplace(byte_texts()[byte], static_cast<char>(byte));
        }
        return map;
    }();
    bytes.clear();
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = static_cast<unsigned char>(text[at]) < 0x80 ? 1 : 2;
        const auto found = inverse.find(text.substr(at, length));
        if (found == inverse.end()) {
            return false;
        }
        bytes += found->second;
        at += length;
    }
    return true;
}

/// What an error shows of a file: one line, not long, whatever it holds.
std::string shown(const Json& value) {
    constexpr std::size_t longest = 120;
    const std::string text = value.dump();
    const std::string_view start = std::string_view(text).substr(0, longest);
    return text.size() <= longest ? text
                                  : std::string(start.substr(0, whole_characters(start))) + "…";
}

std::vector<std::string> read_vocab(const std::string& path, std::int32_t& end_of_text) {
    const Json vocab = Json::parse(read_text(path), path);
    if (!vocab.is_object()) {
        fail(ExitCode::bad_data, "{}: expected an object of tokens and their ids", path);
    }
    const auto& members = vocab.as_object();
    const auto size = static_cast<std::int64_t>(members.size());
    std::vector<std::string> tokens(members.size());
    std::vector<bool> seen(members.size(), false);
    end_of_text = -1;
    for (const auto& [text, value] : members) {
        const std::int64_t id = value.is_int() ? value.as_int() : -1;
        if (id < 0 || id >= size || seen[static_cast<std::size_t>(id)]) {
            fail(ExitCode::bad_data,
                 "{}: token {} has id {}, but {} tokens need each id from 0 to {} once", path,
                 shown(text), shown(value), size, size - 1);
        }
        seen[static_cast<std::size_t>(id)] = true;
        std::string& bytes = tokens[static_cast<std::size_t>(id)];
        if (text == end_of_text_name) {
            end_of_text = static_cast<std::int32_t>(id);
            bytes = text;
        } else if (!from_text(text, bytes) || bytes.empty()) {
            fail(ExitCode::bad_data, "{}: token {} ({}) is not in GPT-2's byte-to-unicode form",
                 path, id, shown(text));
        }
    }
    if (end_of_text < 0) {
        fail(ExitCode::bad_data, "{}: there is no token {}, which has to end every document", path,
             end_of_text_name);
    }
    return tokens;
}

using Ids = std::unordered_map<std::string, std::int32_t>;

Ids ids_of(const std::vector<std::string>& tokens, std::int32_t end_of_text,
           const std::string& path) {
    Ids ids;
    for (std::size_t id = 0; id < tokens.size(); ++id) {
        if (static_cast<std::int32_t>(id) != end_of_text) {
            ids.emplace(tokens[id], static_cast<std::int32_t>(id));
        }
    }
    for (int byte = 0; byte < 256; ++byte) {
        if (!ids.contains(std::string(1, static_cast<char>(byte)))) {
            fail(ExitCode::bad_data,
                 "{}: there is no token for byte {}; all 256 are needed to encode any text", path,
                 byte);
        }
    }
    return ids;
}

/// The pair of files that `dir` holds; ours where it holds both.
FileNames names_in(const std::filesystem::path& dir) {
    for (const FileNames names : {our_names, openai_names}) {
        if (std::filesystem::exists(dir / names.vocab)) {
            return names;
        }
    }
    fail(ExitCode::missing_input, "{}: no tokenizer here; it needs {} and {}, or {} and {}",
         dir.string(), our_names.vocab, our_names.merges, openai_names.vocab, openai_names.merges);
}

std::vector<Merge> read_merges(const std::string& path, const char* vocab_name, const Ids& ids) {
    const std::string text = read_text(path);
    std::vector<Merge> merges;
    std::unordered_map<std::uint64_t, int> first_line;
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
        const std::size_t blank = line.find(' ');
        std::string left;
        std::string right;
        if (blank == std::string_view::npos || !from_text(line.substr(0, blank), left) ||
            !from_text(line.substr(blank + 1), right)) {
            fail(ExitCode::bad_data, "{}:{}: expected two tokens with a blank between, found {}",
                 path, number, shown(line));
        }
        const auto l = ids.find(left);
        const auto r = ids.find(right);
        const auto merged = ids.find(left + right);
        if (l == ids.end() || r == ids.end() || merged == ids.end()) {
            fail(ExitCode::bad_data,
                 "{}:{}: {} merges tokens, or to a token, that {} does not "
                 "list; the two files have to come from the same tokenizer",
                 path, number, shown(line), vocab_name);
        }
        const std::uint64_t pair = (std::uint64_t{static_cast<std::uint32_t>(l->second)} << 32) |
                                   static_cast<std::uint32_t>(r->second);
        const auto [other, fresh] = first_line.emplace(pair, number);
        if (!fresh) {
            fail(ExitCode::bad_data, "{}:{}: the same merge as in line {}", path, number,
                 other->second);
        }
        merges.push_back({l->second, r->second, merged->second});
    }
    return merges;
}

/// A text never becomes a token that no merge makes: the file of merges was cut off, unless it is one
/// that people put in, like "<pad>" or "[MASK]".
void check_all_made(const std::vector<std::string>& tokens, const std::vector<Merge>& merges,
                    std::int32_t end_of_text, const std::string& merges_path) {
    std::vector<bool> made(tokens.size(), false);
    for (const Merge& merge : merges) {
        made[static_cast<std::size_t>(merge.merged)] = true;
    }
    std::size_t lost = 0;
    std::string first;
    for (std::size_t id = 0; id < tokens.size(); ++id) {
        const std::string& t = tokens[id];
        const bool put_in = static_cast<std::int32_t>(id) == end_of_text ||
                            (t.starts_with('<') && t.ends_with('>')) ||
                            (t.starts_with('[') && t.ends_with(']'));
        if (t.size() > 1 && !made[id] && !put_in) {
            first = lost++ == 0 ? shown(t) : first;
        }
    }
    if (lost > 0) {
        fail(ExitCode::bad_data,
             "{}: no line makes the token {} ({} of {} such tokens); it was cut off, or is of "
             "another tokenizer: get it again",
             merges_path, first, lost, tokens.size());
    }
}

}  // namespace

Tokenizer Tokenizer::load(const std::filesystem::path& dir) {
    const FileNames names = names_in(dir);
    const std::string vocab_path = (dir / names.vocab).string();
    std::int32_t end_of_text = -1;
    std::vector<std::string> tokens = read_vocab(vocab_path, end_of_text);
    const Ids ids = ids_of(tokens, end_of_text, vocab_path);
    std::vector<Merge> merges = read_merges((dir / names.merges).string(), names.vocab, ids);
    check_all_made(tokens, merges, end_of_text, (dir / names.merges).string());
    return Tokenizer(std::move(tokens), std::move(merges), end_of_text);
}

std::string Tokenizer::vocab_text() const {
    std::string text = "{";
    for (std::int32_t id = 0; id < vocab_size(); ++id) {
        const std::string name = id == end_of_text_ ? end_of_text_name : to_text(bytes_of(id));
        text += fmt::format("{}\n{}: {}", id == 0 ? "" : ",", Json(name).dump(), id);
    }
    return text + "\n}\n";
}

std::string Tokenizer::merges_text() const {
    std::string text = "#version: 0.2\n";
    for (const Merge& merge : merges_) {
        text += to_text(bytes_of(merge.left)) + " " + to_text(bytes_of(merge.right)) + "\n";
    }
    return text;
}

void Tokenizer::save(const std::filesystem::path& dir) const {
    write_text_and_fsync((dir / our_names.vocab).string(), vocab_text());
    write_text_and_fsync((dir / our_names.merges).string(), merges_text());
}

std::string Tokenizer::sha256() const { return lrd::sha256(vocab_text() + merges_text()); }

}  // namespace lrd
