// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "data/token_files.hpp"
#include "temporary_directory.hpp"

namespace lrd::test {

/// A split whose token i has id i, in several shards; n ≥ 1 is even.
struct Counting {
    TemporaryDirectory dir;
    TokenFiles tokens;

    explicit Counting(std::int64_t n) : tokens(write(dir.path(), n), "train") {}
    /// Documents of these lengths, so many to a shard.
    Counting(const std::vector<std::int64_t>& lengths, std::size_t each)
        : tokens(write(dir.path(), lengths, each), "train") {}

    static std::string write(const std::string& path, std::int64_t n) {
        for (std::int64_t i = 0; i < n; i += 100) {  // a shard is one document
            const std::int64_t count = std::min<std::int64_t>(100, n - i);
            h5_shard(path, i / 100, (n + 99) / 100, i, count, {0, count});
        }
        return path;
    }
    static std::string write(const std::string& path, const std::vector<std::int64_t>& lengths,
                             std::size_t each) {
        const auto shards = static_cast<std::int64_t>((lengths.size() + each - 1) / each);
        std::int64_t first = 0;
        for (std::int64_t s = 0; s < shards; ++s) {
            std::vector<std::int64_t> offsets{0};
            for (std::size_t i = static_cast<std::size_t>(s) * each;
                 i < std::min(lengths.size(), static_cast<std::size_t>(s + 1) * each); ++i) {
                offsets.push_back(offsets.back() + lengths[i]);
            }
            h5_shard(path, s, shards, first, offsets.back(), offsets);
            first += offsets.back();
        }
        return path;
    }
    static void h5_shard(const std::string& path, std::int64_t index, std::int64_t shards,
                         std::int64_t first, std::int64_t count,
                         const std::vector<std::int64_t>& offsets) {
        const std::size_t documents = offsets.size() - 1;
        namespace names = shard_format;
        h5::File file = h5::File::create(path + "/" + names::file_name("train", index));
        std::vector<std::uint16_t> ids(static_cast<std::size_t>(count));
        std::iota(ids.begin(), ids.end(), static_cast<std::uint16_t>(first));
        file.write(names::tokens, ids);
        file.write(names::doc_offsets, offsets);
        file.write(names::doc_bytes, std::vector<std::int64_t>(documents, 1));
        file.write(names::doc_words, std::vector<std::int64_t>(documents, 1));
        const std::pair<const char*, std::int64_t> numbers[] = {
            {names::format_version, 1},
            {names::vocab_size, 60000},
            {names::end_of_text, 59999},
            {names::invalid_utf8, 0},
            {names::n_documents, static_cast<std::int64_t>(documents)},
            {names::n_tokens, count},
            {names::max_id, first + count - 1},
            {names::bytes, 1},
            {names::words, 1},
            {names::shard, index},
            {names::shards, shards}};
        for (const auto& [key, value] : numbers) {
            file.set_attribute("/", key, value);
        }
        for (const char* key : {names::document_rule, names::tokenizer_sha256, names::digest}) {
            file.set_attribute("/", key, "x");
        }
        file.set_attribute("/", names::split, "train");
        file.close();
    }
};

}  // namespace lrd::test
