// SPDX-License-Identifier: MIT
#include "data/shard_writer.hpp"

#include <algorithm>
#include <filesystem>

#include "core/check.hpp"
#include "io/digest.hpp"
#include "io/hdf5.hpp"
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

void ShardWriter::write_shard() {
    const auto sum = [](const std::vector<std::int64_t>& values) {
        std::int64_t total = 0;
        for (const std::int64_t value : values) {
            total += value;
        }
        return total;
    };
    const auto [low, high] = std::minmax_element(tokens_.begin(), tokens_.end());
    LRD_CHECK(*low >= 0 && *high < header_.vocab_size, "ids {} to {} of {}", *low, *high,
              header_.vocab_size);
    const std::string path =
        (std::filesystem::path(dir_) / names::file_name(header_.split, totals_.shards))
            .string();
    h5::File file = h5::File::create(path);
    Sha256 digest;
    const auto digested = [&](const auto& values) {
        digest.add(values.data(), values.size() * sizeof(values[0]));
    };
    if (header_.vocab_size <= names::most_narrow) {
        const std::vector<std::uint16_t> narrow(tokens_.begin(), tokens_.end());
        file.write(names::tokens, narrow);
        digested(narrow);
    } else {
        file.write(names::tokens, tokens_);
        digested(tokens_);
    }
    file.write(names::doc_offsets, offsets_);
    file.write(names::doc_bytes, bytes_);
    file.write(names::doc_words, words_);
    digested(offsets_);
    digested(bytes_);
    digested(words_);
    const auto n_tokens = static_cast<std::int64_t>(tokens_.size());
    const auto n_documents = static_cast<std::int64_t>(bytes_.size());
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
    put(names::n_documents, n_documents);
    put(names::n_tokens, n_tokens);
    put(names::max_id, std::int64_t{*high});
    put(names::bytes, sum(bytes_));
    put(names::words, sum(words_));
    put(names::digest, digest.hex());
    put(names::shard, totals_.shards);
    file.close();

    totals_.documents += n_documents;
    totals_.tokens += n_tokens;
    totals_.bytes += sum(bytes_);
    totals_.words += sum(words_);
    ++totals_.shards;
    tokens_.clear();
    offsets_.assign(1, 0);
    bytes_.clear();
    words_.clear();
}

SplitTotals ShardWriter::finish() {
    if (!tokens_.empty()) {
        write_shard();
    }
    for (std::int64_t i = 0; i < totals_.shards; ++i) {
        const std::string path =
            (std::filesystem::path(dir_) / names::file_name(header_.split, i)).string();
        h5::File file = h5::File::open_to_append(path);
        file.set_attribute("/", names::shards, totals_.shards);
        file.close();
        fsync_path(path);
    }
    return totals_;
}

}  // namespace lrd
