// SPDX-License-Identifier: MIT
#include "kernels/cpu/pair_product.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "kernels/cpu/simd.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define LRD_BF16 __attribute__((target("avx512f,avx512bf16")))
#endif

namespace lrd {
namespace {

#if defined(__x86_64__)
/// 16·V columns of the product, four rows of them at a time in registers.
template <int V>
LRD_BF16 void multiply_panel(std::int64_t rows, std::int64_t pairs, float* c, std::int64_t ld,
                             LeftPairs a, const Pair* b, bool add) {
    for (std::int64_t first = 0; first < rows; first += tile_rows) {
        float* out = c + first * ld;
        const Pair* left = a.data + first * a.row;
        __m512 sums[tile_rows][V];
        for (int i = 0; i < tile_rows; ++i) {
            for (int v = 0; v < V; ++v) {
                sums[i][v] = add ? _mm512_loadu_ps(out + i * ld + v * lanes) : _mm512_setzero_ps();
            }
        }
        for (std::int64_t p = 0; p < pairs; ++p) {
            __m512i right[V];
            for (int v = 0; v < V; ++v) {
                right[v] = _mm512_loadu_si512(b + p * panel + v * lanes);
            }
            for (int i = 0; i < tile_rows; ++i) {
                const __m512i one =
                    _mm512_set1_epi32(static_cast<int>(left[i * a.row + p * a.step]));
                for (int v = 0; v < V; ++v) {
                    sums[i][v] = _mm512_dpbf16_ps(sums[i][v], (__m512bh)one, (__m512bh)right[v]);
                }
            }
        }
        for (int i = 0; i < tile_rows; ++i) {
            for (int v = 0; v < V; ++v) {
                _mm512_storeu_ps(out + i * ld + v * lanes, sums[i][v]);
            }
        }
    }
}
#else
LRD_INLINE float lower(Pair x) { return std::bit_cast<float>(x << 16U); }
LRD_INLINE float upper(Pair x) { return std::bit_cast<float>(x & 0xFFFF0000U); }

template <int V>
void multiply_panel(std::int64_t rows, std::int64_t pairs, float* c, std::int64_t ld, LeftPairs a,
                    const Pair* b, bool add) {
    for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < V * lanes; ++j) {
            float sum = add ? c[i * ld + j] : 0.0F;
            for (std::int64_t p = 0; p < pairs; ++p) {
                const Pair left = a.data[i * a.row + p * a.step];
                const Pair right = b[p * panel + j];
                sum += lower(left) * lower(right) + upper(left) * upper(right);
            }
            c[i * ld + j] = sum;
        }
    }
}
#endif

LRD_INLINE Pair pair_of(Bf16 first, Bf16 second) {
    return first.bits | static_cast<Pair>(second.bits) << 16U;
}

/// Both to the nearest, away from 0 of two equally near. Sums of bf16 products have no NaN that
/// would carry into the sign: its lower half is 0.
LRD_INLINE Pair pair_of(float first, float second) {
    constexpr std::uint32_t half = 0x8000;
    return (std::bit_cast<std::uint32_t>(first) + half) >> 16U |
           ((std::bit_cast<std::uint32_t>(second) + half) & 0xFFFF0000U);
}

LRD_HOT void join(Pair* to, const Bf16* first, const Bf16* second, std::int64_t n) {
#pragma omp simd
    for (std::int64_t j = 0; j < n; ++j) {
        to[j] = pair_of(first[j], second[j]);
    }
}

LRD_HOT void join_rounded(Pair* to, const float* first, const float* second, std::int64_t n) {
#pragma omp simd
    for (std::int64_t j = 0; j < n; ++j) {
        to[j] = pair_of(first[j], second[j]);
    }
}

LRD_HOT void join_halves(Pair* to, const float* row, std::int64_t n) {
    for (std::int64_t j = 0; j < n; j += 2 * apart) {
#pragma omp simd
        for (std::int64_t k = 0; k < apart; ++k) {
            to[j / 2 + k] = pair_of(row[j + k], row[j + apart + k]);
        }
    }
}

/// Columns 2p and 2p + 1 of a row; an odd last column with 0.
LRD_INLINE Pair pair_at(const Bf16* row, std::int64_t p, std::int64_t columns) {
    return pair_of(row[2 * p], 2 * p + 1 < columns ? row[2 * p + 1] : Bf16{0});
}

}  // namespace

void multiply_pairs(std::int64_t M, std::int64_t N, std::int64_t K, float* c, std::int64_t ld,
                    LeftPairs a, RightPairs b, bool add) {
    constexpr std::array panels{multiply_panel<1>, multiply_panel<2>, multiply_panel<3>,
                                multiply_panel<4>};
    for (std::int64_t j = 0; j < N; j += panel) {
        const std::int64_t vectors = padded(std::min(panel, N - j), lanes) / lanes;
        panels[static_cast<std::size_t>(vectors - 1)](M, K, c + j, ld, a,
                                                      b.data + j / panel * b.size, add);
    }
}

LeftPairs pack_left(Pair* to, const Bf16* x, std::int64_t ld, std::int64_t rows,
                    std::int64_t columns) {
    const std::int64_t pairs = (columns + 1) / 2;
    for (std::int64_t i = 0; i < rows; ++i) {
        prefetch_row(x, ld, i, columns);
        to[(i + 1) * pairs - 1] = pair_at(x + i * ld, pairs - 1, columns);
        std::memcpy(to + i * pairs, x + i * ld, static_cast<std::size_t>(columns) * sizeof(Bf16));
    }
    return {to, pairs, 1};
}

RightPairs pack_transposed(Pair* to, const Bf16* x, std::int64_t ld, std::int64_t rows,
                           std::int64_t columns) {
    const std::int64_t pairs = (columns + 1) / 2;
    for (std::int64_t j = 0; j < rows; ++j) {
        prefetch_row(x, ld, j, columns);
        Pair* column = to + j / panel * panel * pairs + j % panel;
        for (std::int64_t p = 0; p < columns / 2; ++p) {
            std::memcpy(column + p * panel, x + j * ld + 2 * p, sizeof(Pair));
        }
        column[(pairs - 1) * panel] = pair_at(x + j * ld, pairs - 1, columns);
    }
    return {to, panel * pairs};
}

RightPairs pack_rows(Pair* to, const Bf16* x, std::int64_t ld, std::int64_t rows,
                     std::int64_t columns) {
    static constexpr std::array<Bf16, panel> zeros{};
    const std::int64_t pairs = padded(rows, 2 * apart) / 2;
    for (std::int64_t j = 0; j < columns; j += panel) {
        for (std::int64_t p = 0; p < pairs; ++p) {
            const std::int64_t i = p / apart * 2 * apart + p % apart;
            prefetch_row(x, ld, i, columns);
            prefetch_row(x, ld, i + apart, columns);
            join(to + j * pairs + p * panel, i < rows ? x + i * ld + j : zeros.data(),
                 i + apart < rows ? x + (i + apart) * ld + j : zeros.data(),
                 std::min(panel, columns - j));
        }
    }
    return {to, panel * pairs};
}

void pair_row(Pair* to, const float* row, std::int64_t n) { join_halves(to, row, n); }

void pair_rows(Pair* to, const float* row, const float* row_apart, std::int64_t n) {
    join_rounded(to, row, row_apart, n);
}

}  // namespace lrd
