// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lrd {

/// Blocks of tokens as they were read, the longest unused one making room: shuffled windows come
/// back to the same few blocks of a small split, and windows side by side share one.
class BlockCache {
public:
    /// Keeps at most `tokens` tokens, and always one block.
    explicit BlockCache(std::int64_t tokens) : most_(tokens) {}

    /// Block `number` of `size` tokens; read(out) fills it where it is not at hand. Valid until the
    /// next call.
    template <class Read>
    std::span<const std::int32_t> get(std::int64_t number, std::int64_t size, Read&& read) {
        ++now_;
        for (Block& block : blocks_) {
            if (block.number == number) {
                block.used = now_;
                return block.tokens;
            }
        }
        Block& block = make_room(size);
        block.number = -1;  // not at hand, should `read` throw
        block.tokens.resize(static_cast<std::size_t>(size));
        read(std::span<std::int32_t>(block.tokens));
        block.number = number;
        block.used = now_;
        ++reads_;
        return block.tokens;
    }
    std::int64_t reads() const { return reads_; }  ///< blocks read so far

private:
    struct Block {
        std::int64_t number = -1, used = 0;
        std::vector<std::int32_t> tokens;
    };
    Block& make_room(std::int64_t size);

    std::int64_t most_, now_ = 0, reads_ = 0;
    std::vector<Block> blocks_;
};

}  // namespace lrd
