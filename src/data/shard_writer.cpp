// SPDX-License-Identifier: MIT
#include "data/shard_writer.hpp"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "core/check.hpp"
#include "io/digest.hpp"
#include "io/publish.hpp"

namespace lrd {

namespace names = shard_format;

namespace shard_format {

std::string file_name(const std::string& split_name, std::int64_t index) {
    return fmt::format("{}-{:05}.h5", split_name, index);
}

std::string split_of(const std::string& name) {
    const std::size_t tail = std::string_view("-00000.h5").size();
    if (name.size() <= tail || !name.ends_with(".h5") || name[name.size() - tail] != '-') {
        return "";
    }
    for (std::size_t i = name.size() - tail + 1; i < name.size() - 3; ++i) {
        if (name[i] < '0' || name[i] > '9') {
            return "";
        }
    }
    return name.substr(0, name.size() - tail);
}

}  // namespace shard_format

ShardWriter::ShardWriter(std::string dir, ShardHeader header, std::int64_t limit)
    : dir_(std::move(dir)), header_(std::move(header)), limit_(limit), offsets_{0} {}

void ShardWriter::add(std::span<const std::int32_t> ids, std::int64_t bytes, std::int64_t words) {
    const std::size_t grown = tokens_.size() + ids.size() + 1;
    if (!tokens_.empty() && static_cast<std::int64_t>(grown) > limit_) {
        write_shard();
    }
    tokens_.insert(tokens_.end(), ids.begin(), ids.end());
    tokens_.push_back(header_.end_of_text);
    offsets_.push_back(static_cast<std::int64_t>(tokens_.size()));
    bytes_.push_back(bytes);
    words_.push_back(words);
}

std::string ShardWriter::write_datasets(h5::File& file) const {
    Sha256 digest;
    const auto put = [&](const char* name, const auto& values) {
        file.write(name, values);
        digest.add(values.data(), values.size() * sizeof(values[0]));
    };
    if (header_.vocab_size <= names::most_narrow) {
        put(names::tokens, std::vector<std::uint16_t>(tokens_.begin(), tokens_.end()));
    } else {
        put(names::tokens, tokens_);
    }
    put(names::doc_offsets, offsets_);
    put(names::doc_bytes, bytes_);
    put(names::doc_words, words_);
    return digest.hex();
}

void ShardWriter::write_shard() {
    const auto [low, high] = std::minmax_element(tokens_.begin(), tokens_.end());
    LRD_CHECK(*low >= 0 && *high < header_.vocab_size, "ids {} to {} of {}", *low, *high,
              header_.vocab_size);
    const SplitTotals part{static_cast<std::int64_t>(bytes_.size()),
                           static_cast<std::int64_t>(tokens_.size()),
                           std::accumulate(bytes_.begin(), bytes_.end(), std::int64_t{0}),
                           std::accumulate(words_.begin(), words_.end(), std::int64_t{0}), 1};
    h5::File file = h5::File::create(path_of(totals_.shards));
    const auto put = [&](const char* key, const auto& value) {
        file.set_attribute("/", key, value);
    };
    put(names::format_version, names::version);
    put(names::split, header_.split);
    put(names::document_rule, header_.document_rule);
    put(names::tokenizer_sha256, header_.tokenizer_sha256);
    put(names::vocab_size, header_.vocab_size);
    put(names::end_of_text, std::int64_t{header_.end_of_text});
    put(names::invalid_utf8, header_.replaced);
    put(names::n_documents, part.documents);
    put(names::n_tokens, part.tokens);
    put(names::max_id, std::int64_t{*high});
    put(names::bytes, part.bytes);
    put(names::words, part.words);
    put(names::shard, totals_.shards);
    put(names::digest, write_datasets(file));
    file.close();

    totals_.documents += part.documents;
    totals_.tokens += part.tokens;
    totals_.bytes += part.bytes;
    totals_.words += part.words;
    ++totals_.shards;
    tokens_.clear();
    offsets_.assign(1, 0);
    bytes_.clear();
    words_.clear();
}

std::string ShardWriter::path_of(std::int64_t shard) const {
    return (std::filesystem::path(dir_) / names::file_name(header_.split, shard)).string();
}

SplitTotals ShardWriter::finish() {
    if (!tokens_.empty()) {
        write_shard();
    }
    for (std::int64_t i = 0; i < totals_.shards; ++i) {
        const std::string path = path_of(i);
        h5::File file = h5::File::open_to_append(path);
        file.set_attribute("/", names::shards, totals_.shards);
        file.close();
        fsync_path(path);
    }
    return totals_;
}

}  // namespace lrd
