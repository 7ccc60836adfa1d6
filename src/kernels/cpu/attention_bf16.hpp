// SPDX-License-Identifier: MIT
// Attention in bf16: operands are packed as pairs once per head, then small products and loops over
// rows take turns in the cache.
#pragma once

#include <utility>

#include "kernels/cpu/attention.hpp"
#include "kernels/cpu/pair_product.hpp"

namespace lrd {

/// What is the same for all heads.
struct AttentionJob {
    AttentionShape s;
    const AttentionOptions& options;
    const View& qkv;

    std::int64_t ld() const { return 3 * s.H * s.D; }
    std::int64_t ld_y() const { return s.H * s.D; }
    std::int64_t pairs() const { return (s.D + 1) / 2; }        // of a row of q or k
    std::int64_t width() const { return padded(s.D, lanes); }   // of a row of sums
    std::int64_t panels() const { return padded(s.D, panel); }  // columns of packed rows
    std::int64_t length() const { return padded(s.T, panel); }  // of a packed sequence
    bool drops() const { return options.dropout.rate > 0.0F; }
};

/// Pieces of a worker's memory.
struct Room {
    float* next;

    float* floats(std::int64_t n) { return std::exchange(next, next + n); }
    Pair* pairs(std::int64_t n) { return reinterpret_cast<Pair*>(floats(n)); }
};

}  // namespace lrd
