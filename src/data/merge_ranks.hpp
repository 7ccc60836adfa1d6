// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lrd {

/// Two neighbouring tokens and the token they become.
struct Merge {
    std::int32_t left, right, merged;
};

/// The rank of each pair of tokens: its place in the list of merges. A flat table with open
/// addressing, at most half full, since encoding asks it for every pair of bytes.
class MergeRanks {
public:
    static constexpr std::int32_t none = INT_MAX;

    explicit MergeRanks(std::span<const Merge> merges)
        : slots_(std::bit_ceil(2 * merges.size() + 1)), mask_(slots_.size() - 1) {
        for (std::size_t rank = 0; rank < merges.size(); ++rank) {
            const std::uint64_t pair = pair_of(merges[rank].left, merges[rank].right);
            Slot& slot = slots_[find(pair)];
            if (slot.rank == none) {
                slot = {pair, static_cast<std::int32_t>(rank)};
            }
        }
    }

    /// `none` if the two do not merge.
    std::int32_t operator()(std::int32_t left, std::int32_t right) const {
        return slots_[find(pair_of(left, right))].rank;
    }

private:
    struct Slot {
        std::uint64_t pair = 0;
        std::int32_t rank = none;  // of an empty slot
    };

    static std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
        return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) |
               static_cast<std::uint32_t>(right);
    }

    /// The slot of `pair`, or the empty one where it would stand.
    std::size_t find(std::uint64_t pair) const {
        std::size_t at = (pair * 0x9E3779B97F4A7C15) >> 32;  // Fibonacci hashing
        for (at &= mask_; slots_[at].rank != none && slots_[at].pair != pair;) {
            at = (at + 1) & mask_;
        }
        return at;
    }

    std::vector<Slot> slots_;
    std::size_t mask_;
};

}  // namespace lrd
