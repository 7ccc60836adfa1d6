// SPDX-License-Identifier: MIT
// Products of bf16 matrices packed as pairs, on one thread: what attention in bf16 is made of. Packed
// once, an operand serves many small products; oneDNN would pack it again for each of them.
#pragma once

#include <cstdint>

#include "kernels/cpu/bf16.hpp"

namespace lrd {

/// Two bf16 that are neighbours in the sum of a product, the first in the lower half. Processors
/// multiply and add pairs in one instruction.
using Pair = std::uint32_t;

// c and a left factor have room for whole tiles of a product, which have 4 rows and 16 columns.
constexpr std::int64_t tile_rows = 4;
constexpr std::int64_t lanes = 16;
constexpr std::int64_t panel = 64;  // columns of a right factor that lie together
constexpr std::int64_t apart = 16;  // rows that pack_rows makes pairs of are so far apart

constexpr std::int64_t padded(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

/// Pair p of row i lies at data[i·row + p·step].
struct LeftPairs {
    const Pair* data;
    std::int64_t row, step;

    LeftPairs from(std::int64_t i) const { return {data + i * row, row, step}; }
};

/// Pair p of column j lies at data[(j / 64)·size + 64·p + j mod 64].
struct RightPairs {
    const Pair* data;
    std::int64_t size;  // of a panel

    RightPairs from(std::int64_t p) const { return {data + p * panel, size}; }
};

/// c (M, N; rows `ld` apart) = a·b over K pairs, or += with `add`. M is rounded up to 4 and N to 16.
/// For processors of which product_has_bf16() is true.
void multiply_pairs(std::int64_t M, std::int64_t N, std::int64_t K, float* c, std::int64_t ld,
                    LeftPairs a, RightPairs b, bool add = false);

/// For a walk through rows that lie pages apart, where no processor prefetches by itself.
LRD_INLINE void prefetch_row(const Bf16* x, std::int64_t ld, std::int64_t i, std::int64_t columns) {
    constexpr std::int64_t ahead = 8;
    constexpr std::int64_t line = 32;
    for (std::int64_t j = 0; j < columns; j += line) {
        __builtin_prefetch(x + (i + ahead) * ld + j);
    }
}

// Packing x (rows, columns), rows `ld` apart, into `to`. Where a sum has an odd number of terms, the
// last one is 0.

/// As a left factor, summed over its columns: (columns + 1) / 2 pairs a row.
LeftPairs pack_left(Pair* to, const Bf16* x, std::int64_t ld, std::int64_t rows,
                    std::int64_t columns);
/// As the right factor xᵀ: (columns + 1) / 2 pairs for each of the rows, rounded up to 64.
RightPairs pack_transposed(Pair* to, const Bf16* x, std::int64_t ld, std::int64_t rows,
                           std::int64_t columns);
/// As the right factor x: rows i and i + 16 of every 32 are a pair, for each of the columns, rounded
/// up to 64.
RightPairs pack_rows(Pair* to, const Bf16* x, std::int64_t ld, std::int64_t rows,
                     std::int64_t columns);

/// A row of n (a multiple of 32) rounded for a left factor that meets what pack_rows made.
void pair_row(Pair* to, const float* row, std::int64_t n);
/// Rows i and i + 16 of xᵀ rounded for the same: to[j] belongs to row j of the left factor.
void pair_rows(Pair* to, const float* row, const float* row_apart, std::int64_t n);

}  // namespace lrd
