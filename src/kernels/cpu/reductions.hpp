// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/parallel.hpp"

namespace lrd::cpu {

/// Σ of part(begin, end) over fixed chunks of [0, n), added in their order: the same bits for any
/// number of threads.
template <class Part>
double chunked_sum(std::int64_t n, std::int64_t chunk, const Part& part) {
    thread_local std::vector<double> partial;
    partial.assign(static_cast<std::size_t>((n + chunk - 1) / chunk), 0.0);
    double* const out = partial.data();
    parallel_chunks(n, chunk, [&](std::int64_t begin, std::int64_t end) {
        out[begin / chunk] = part(begin, end);
    });
    double sum = 0.0;
    for (const double x : partial) {
        sum += x;
    }
    return sum;
}

/// sums[j] += Σ_i weight(i, j) of an (n, m) problem, by columns of fixed chunks of rows.
/// add(row, first column, columns, accumulator in fp32).
template <class AddRow>
void column_reduce(float* sums, std::int64_t n, std::int64_t m, const AddRow& add_row) {
    constexpr std::int64_t rows_per_chunk = 256;
    constexpr std::int64_t columns_per_chunk = 64;
    parallel_chunks(m, columns_per_chunk, [&](std::int64_t first, std::int64_t last) {
        double total[columns_per_chunk] = {};
        for (std::int64_t begin = 0; begin < n; begin += rows_per_chunk) {
            float part[columns_per_chunk] = {};
            for (std::int64_t i = begin; i < std::min(begin + rows_per_chunk, n); ++i) {
                add_row(i, first, last - first, part);
            }
            for (std::int64_t j = 0; j < last - first; ++j) {
                total[j] += static_cast<double>(part[j]);
            }
        }
        for (std::int64_t j = 0; j < last - first; ++j) {
            sums[first + j] += static_cast<float>(total[j]);
        }
    });
}

}  // namespace lrd::cpu
