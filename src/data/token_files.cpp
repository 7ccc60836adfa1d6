// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>
#include <set>

#include "core/check.hpp"
#include "data/token_files.hpp"
#include "io/digest.hpp"

namespace lrd {

namespace names = shard_format;
namespace fs = std::filesystem;

namespace {

constexpr const char* remedy = "run `lrd prepare` again, or copy the file again";

std::string joined(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) {
        text += (text.empty() ? "" : ", ") + item;
    }
    return text;
}

/// Throws unless found == expected.
template <class T>
void expect(const std::string& file, const std::string& what, const T& expected, const T& found) {
    if (!(expected == found)) {
        fail(ExitCode::bad_data, "{}: {}: expected {}, found {}; {}", file, what, expected, found,
             remedy);
    }
}

void check_version(const h5::File& file) {
    if (!file.has_attribute("/", names::format_version)) {
        fail(ExitCode::bad_data, "{}: no attribute {}, so this is not a token file; {}",
             file.path(), names::format_version, remedy);
    }
    const std::int64_t version = file.attribute_int("/", names::format_version);
    if (version > names::version || version < 1) {
        fail(ExitCode::bad_data,
             "{}: format_version is {}, and this lrd reads token files up to {}: use a newer lrd, "
             "or run `lrd prepare` again",
             file.path(), version, names::version);
    }
}

ShardHeader read_header(const h5::File& file) {
    check_version(file);
    ShardHeader header;
    header.split = file.attribute_text("/", names::split);
    header.document_rule = file.attribute_text("/", names::document_rule);
    header.tokenizer_sha256 = file.attribute_text("/", names::tokenizer_sha256);
    header.vocab_size = file.attribute_int("/", names::vocab_size);
    header.replaced = file.attribute_int("/", names::invalid_utf8);
    const std::int64_t end_of_text = file.attribute_int("/", names::end_of_text);
    if (header.vocab_size < 1 || header.vocab_size > INT32_MAX || end_of_text < 0 ||
        end_of_text >= header.vocab_size) {
        fail(ExitCode::bad_data,
             "{}: attributes: expected 0 <= end_of_text < vocab_size < 2^31, found {} and {}; {}",
             file.path(), end_of_text, header.vocab_size, remedy);
    }
    header.end_of_text = static_cast<std::int32_t>(end_of_text);
    return header;
}

void check_dataset(const h5::File& file, const char* name, h5::Type type, std::int64_t size) {
    if (!file.exists(name) || file.is_group(name)) {
        fail(ExitCode::bad_data, "{}: {}: expected a dataset, found none; {}", file.path(), name,
             remedy);
    }
    const h5::Info info = file.info(name);
    expect(file.path(), fmt::format("{}: type", name), std::string(h5::name_of(type)),
           std::string(h5::name_of(info.type)));
    expect(file.path(), fmt::format("{}: dimensions", name), std::size_t{1}, info.shape.size());
    expect(file.path(), fmt::format("{}: size", name), static_cast<std::uint64_t>(size),
           info.shape[0]);
}

void check_offsets(const h5::File& file, std::int64_t n_tokens) {
    const auto offsets = file.read<std::int64_t>(names::doc_offsets);
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
        if (offsets[i] >= offsets[i + 1]) {
            fail(ExitCode::bad_data,
                 "{}: {}: expected to grow (a document has at least its end-of-text token), found "
                 "{} then {} at {}; {}",
                 file.path(), names::doc_offsets, offsets[i], offsets[i + 1], i, remedy);
        }
    }
    expect(file.path(), fmt::format("{}: first", names::doc_offsets), std::int64_t{0},
           offsets.front());
    expect(file.path(), fmt::format("{}: last (n_tokens)", names::doc_offsets), n_tokens,
           offsets.back());
}

}  // namespace

std::vector<std::string> TokenFiles::splits_in(const std::string& dir) {
    std::set<std::string> splits;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(dir, error)) {
        const std::string split = names::split_of(entry.path().filename().string());
        if (!split.empty()) {
            splits.insert(split);
        }
    }
    return {splits.begin(), splits.end()};
}

TokenFiles::TokenFiles(const std::string& path, const std::string& split) : path_(path) {
    if (!fs::exists(path)) {
        fail(ExitCode::missing_input,
             "{}: there is no such folder of tokens; `lrd prepare` makes "
             "one",
             path);
    }
    const fs::path folder = fs::is_directory(path) ? fs::path(path) : fs::path(path).parent_path();
    if (fs::exists(folder / names::unfinished)) {
        fail(
            ExitCode::bad_data,
            "{}: `lrd prepare` did not finish it; call it again, and name the folder that it makes",
            path);
    }
    Sha256 all;
    if (!fs::is_directory(path)) {
        header_.split = split;
        open_shard(path, 0, true);
    } else {
        const auto splits = splits_in(path);
        if (std::find(splits.begin(), splits.end(), split) == splits.end()) {
            fail(ExitCode::missing_input, "{}: there is no split \"{}\"; {}", path, split,
                 splits.empty() ? "no token files at all; `lrd prepare` makes them"
                                : "the splits here are " + joined(splits));
        }
        header_.split = split;
        std::int64_t count = 1;
        for (std::int64_t i = 0; i < count; ++i) {
            const fs::path file = fs::path(path) / names::file_name(split, i);
            if (!fs::exists(file)) {
                fail(ExitCode::missing_input, "{}: this shard of split {} is missing{}; {}",
                     file.string(), split, i == 0 ? "" : fmt::format(" ({} in all)", count),
                     remedy);
            }
            open_shard(file.string(), i, false);
            count = shards_.back().file.attribute_int("/", names::shards);
        }
    }
    for (const Shard& shard : shards_) {
        const std::string digest = shard.file.attribute_text("/", names::digest);
        all.add(digest.data(), digest.size());
    }
    digest_ = all.hex();
}

void TokenFiles::open_shard(const std::string& path, std::int64_t index, bool alone) {
    h5::File file = h5::File::open(path);
    ShardHeader header = read_header(file);
    if (!(alone && header_.split.empty())) {
        expect(path, "attribute split", header_.split, header.split);
    }
    if (!alone) {
        expect(path, "attribute shard", index, file.attribute_int("/", names::shard));
    }
    if (index > 0) {
        expect(path, "attribute vocab_size (of shard 0)", header_.vocab_size, header.vocab_size);
        expect(path, "attribute tokenizer_sha256 (of shard 0)", header_.tokenizer_sha256,
               header.tokenizer_sha256);
        expect(path, "attribute shards (of shard 0)",
               shards_.front().file.attribute_int("/", names::shards),
               file.attribute_int("/", names::shards));
    }
    const std::int64_t n_tokens = file.attribute_int("/", names::n_tokens);
    const std::int64_t n_documents = file.attribute_int("/", names::n_documents);
    const std::int64_t max_id = file.attribute_int("/", names::max_id);
    if (n_tokens < 1 || n_documents < 1) {
        fail(ExitCode::bad_data, "{}: expected tokens and documents, found {} and {}; {}", path,
             n_tokens, n_documents, remedy);
    }
    if (max_id < 0 || max_id >= header.vocab_size) {
        fail(ExitCode::bad_data, "{}: {}: expected ids in [0, {}), found {} (attribute max_id); {}",
             path, names::tokens, header.vocab_size, max_id, remedy);
    }
    const bool narrow = header.vocab_size <= names::most_narrow;
    check_dataset(file, names::tokens, narrow ? h5::Type::u16 : h5::Type::i32, n_tokens);
    check_dataset(file, names::doc_offsets, h5::Type::i64, n_documents + 1);
    check_dataset(file, names::doc_bytes, h5::Type::i64, n_documents);
    check_dataset(file, names::doc_words, h5::Type::i64, n_documents);
    check_offsets(file, n_tokens);
    header_ = std::move(header);
    totals_.bytes += file.attribute_int("/", names::bytes);
    totals_.words += file.attribute_int("/", names::words);
    totals_.documents += n_documents;
    const h5::Shape chunk = file.info(names::tokens).chunk;
    const std::int64_t block = chunk.empty() ? 32768 : static_cast<std::int64_t>(chunk[0]);
    const std::int64_t first_block =
        shards_.empty()
            ? 0
            : shards_.back().first_block + shards_.back().tokens / shards_.back().block + 1;
    shards_.push_back({std::move(file), totals_.tokens, n_tokens, narrow, block, first_block});
    totals_.tokens += n_tokens;
    ++totals_.shards;
}

void TokenFiles::read(std::int64_t first, std::span<std::int32_t> out) const {
    const auto size = static_cast<std::int64_t>(out.size());
    LRD_CHECK(first >= 0 && first + size <= n_tokens(), "tokens [{}, {}) of {}", first,
              first + size, n_tokens());
    auto shard =
        std::upper_bound(shards_.begin(), shards_.end(), first,
                         [](std::int64_t at, const Shard& s) { return at < s.first_token; });
    --shard;  // the last that begins at or before `first`
    for (std::int64_t done = 0; done < size; ++shard) {
        const std::int64_t begin = first + done - shard->first_token;
        const std::int64_t count = std::min(size - done, shard->tokens - begin);
        read_part(*shard, begin,
                  out.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(count)));
        done += count;
    }
}

void TokenFiles::read_part(const Shard& shard, std::int64_t begin,
                           std::span<std::int32_t> out) const {
    const auto end = begin + static_cast<std::int64_t>(out.size());
    for (std::int64_t at = begin; at < end;) {
        const std::int64_t first = at / shard.block * shard.block;
        const std::int64_t size = std::min(shard.block, shard.tokens - first);
        const auto block =
            blocks_.get(shard.first_block + at / shard.block, size,
                        [&](std::span<std::int32_t> to) { read_block(shard, first, to); });
        const std::int64_t stop = std::min(end, first + size);
        std::copy(block.begin() + (at - first), block.begin() + (stop - first),
                  out.begin() + (at - begin));
        at = stop;
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (out[i] < 0 || out[i] >= vocabulary()) {
            fail(ExitCode::bad_data, "{}: {}: expected ids in [0, {}), found {} at {}; {}",
                 shard.file.path(), names::tokens, vocabulary(), out[i],
                 begin + static_cast<std::int64_t>(i), remedy);
        }
    }
}

void TokenFiles::read_block(const Shard& shard, std::int64_t begin,
                            std::span<std::int32_t> out) const {
    const auto row = static_cast<std::uint64_t>(begin);
    if (!shard.narrow) {
        shard.file.read_rows<std::int32_t>(names::tokens, row, out.size(), out);
        return;
    }
    narrow_.resize(out.size());
    shard.file.read_rows<std::uint16_t>(names::tokens, row, out.size(), std::span(narrow_));
    std::copy(narrow_.begin(), narrow_.end(), out.begin());
}

std::vector<std::int64_t> TokenFiles::document_offsets() const {
    std::vector<std::int64_t> all{0};
    for (const Shard& shard : shards_) {
        const auto offsets = shard.file.read<std::int64_t>(names::doc_offsets);
        for (std::size_t i = 1; i < offsets.size(); ++i) {
            all.push_back(shard.first_token + offsets[i]);
        }
    }
    return all;
}

const DocumentTable& TokenFiles::documents() const {
    if (documents_) {
        return *documents_;
    }
    DocumentTable table;
    const auto append = [](std::vector<std::int64_t>& to, const std::vector<std::int64_t>& from) {
        to.insert(to.end(), from.begin(), from.end());
    };
    table.offsets = document_offsets();
    for (const Shard& shard : shards_) {
        append(table.bytes, shard.file.read<std::int64_t>(names::doc_bytes));
        append(table.words, shard.file.read<std::int64_t>(names::doc_words));
    }
    documents_ = std::move(table);
    return *documents_;
}

}  // namespace lrd
