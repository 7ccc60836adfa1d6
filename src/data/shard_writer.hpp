// SPDX-License-Identifier: MIT
// Token files: DIR/{split}-NNNNN.h5, each with whole documents (data/README.md). They hold no time,
// host or path: the same text and tokenizer give the same bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/shard_format.hpp"
#include "io/digest.hpp"
#include "io/hdf5.hpp"

namespace lrd {

/// Writes one shard as its tokens come; what it keeps in memory does not grow.
class ShardWriter {
public:
    struct Place {
        std::int64_t shard = 0, shards = 1;
        std::int64_t documents = 1;  ///< that will come
        std::int64_t most_tokens = std::int64_t{1} << 62;
    };
    struct Written {
        std::int64_t tokens = 0, documents = 0, bytes = 0, words = 0;
        std::string digest;
    };

    /// The file is made in `dir`, which is not visible yet.
    ShardWriter(const std::string& dir, const ShardHeader& header, const Place& place);

    void add(std::span<const std::int32_t> ids);                ///< of the open document
    void end_document(std::int64_t bytes, std::int64_t words);  ///< puts the end-of-text token
    /// Writes what is left and the attributes, fsyncs. Nothing comes after.
    Written finish();

private:
    template <class T>
    struct Column {
        const char* name;
        std::vector<T> values = {};  // not written yet
        Sha256 digest = {};
    };
    template <class T>
    void create(Column<T>& column, std::int64_t most);
    template <class T>
    void flush(Column<T>& column);
    template <class T>
    void put(Column<T>& column, T value);
    void put_token(std::int32_t id);
    void write_attributes();

    ShardHeader header_;
    Place place_;
    std::string path_;
    h5::File file_;
    Column<std::uint16_t> narrow_;
    Column<std::int32_t> wide_;
    Column<std::int64_t> offsets_, bytes_, words_;
    std::int32_t max_id_ = 0;
    Written written_;
};

}  // namespace lrd
