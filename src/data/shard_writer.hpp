// SPDX-License-Identifier: MIT
// Token files: DIR/{split}-NNNNN.h5, each with whole documents (data/README.md). They hold no time,
// host or path: the same text and tokenizer give the same bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/shard_format.hpp"
#include "io/hdf5.hpp"

namespace lrd {

/// Writes the shards of one split into a folder that is not visible yet.
class ShardWriter {
public:
    static constexpr std::int64_t default_limit = std::int64_t{64} << 20;

    /// A shard has at most `limit` tokens, unless a single document is longer.
    ShardWriter(std::string dir, ShardHeader header, std::int64_t limit = default_limit);

    /// `ids` without the end-of-text token, which is put behind them.
    void add(std::span<const std::int32_t> ids, std::int64_t bytes, std::int64_t words);
    /// Writes what is left, marks each file with their number, fsyncs. Nothing comes after.
    SplitTotals finish();

private:
    void write_shard();
    std::string write_datasets(h5::File& file) const;  ///< returns their digest
    std::string path_of(std::int64_t shard) const;

    std::string dir_;
    ShardHeader header_;
    std::int64_t limit_;
    std::vector<std::int32_t> tokens_;
    std::vector<std::int64_t> offsets_, bytes_, words_;
    SplitTotals totals_;
};

}  // namespace lrd
