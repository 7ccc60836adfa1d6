// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/block_cache.hpp"
#include "data/shard_format.hpp"
#include "io/hdf5.hpp"

namespace lrd {

/// The documents of a split: document i is tokens [offsets[i], offsets[i + 1]).
struct DocumentTable {
    std::vector<std::int64_t> offsets;  // documents + 1
    std::vector<std::int64_t> bytes, words;
};

/// The tokens of one split, read from its shards. Checked when opened: format, types, sizes,
/// offsets, the attributes against each other; ids when they are read.
class TokenFiles {
public:
    /// `path`: a folder, or one shard file (then `split` may be ""). Errors: missing_input, which
    /// names the splits that are there; bad_data with file, dataset, expected, found and remedy.
    TokenFiles(const std::string& path, const std::string& split);

    const std::string& directory() const { return path_; }
    const ShardHeader& header() const { return header_; }
    std::int64_t n_tokens() const { return totals_.tokens; }
    std::int64_t vocabulary() const { return header_.vocab_size; }
    std::int64_t bytes() const { return totals_.bytes; }
    std::int64_t words() const { return totals_.words; }
    const SplitTotals& totals() const { return totals_; }
    /// SHA-256 over the contents of all shards in their order, from digests stored when written.
    const std::string& digest() const { return digest_; }

    /// Tokens [first, first + out.size()) of the split; Error(bad_data) for an id outside [0, V).
    /// One thread at a time. Whole blocks (64 KiB in the file) are read and the last 4 Mi tokens of
    /// them stay in memory, so a window costs at most two blocks and no split is held whole.
    void read(std::int64_t first, std::span<std::int32_t> out) const;
    const DocumentTable& documents() const;              ///< read when first asked for
    std::vector<std::int64_t> document_offsets() const;  ///< of the table, not kept

    std::int64_t blocks_read() const { return blocks_.reads(); }
    /// That read() comes to hold.
    std::int64_t memory_bytes() const {
        return std::min(n_tokens(), most_kept) * static_cast<std::int64_t>(sizeof(std::int32_t));
    }

    static std::vector<std::string> splits_in(const std::string& dir);  ///< sorted

private:
    struct Shard {
        h5::File file;
        std::int64_t first_token, tokens;
        bool narrow;  // u16
        std::int64_t block,
            first_block;  // tokens that the file keeps together; number of its first
    };
    void open_shard(const std::string& file, std::int64_t index, bool alone);
    void read_part(const Shard& shard, std::int64_t begin, std::span<std::int32_t> out) const;
    void read_block(const Shard& shard, std::int64_t begin, std::span<std::int32_t> out) const;

    std::string path_;
    ShardHeader header_;
    SplitTotals totals_;
    std::string digest_;
    std::vector<Shard> shards_;
    mutable std::vector<std::uint16_t> narrow_;                       // reused
    static constexpr std::int64_t most_kept = std::int64_t{1} << 22;  // tokens
    mutable BlockCache blocks_{most_kept};
    mutable std::optional<DocumentTable> documents_;
};

}  // namespace lrd
