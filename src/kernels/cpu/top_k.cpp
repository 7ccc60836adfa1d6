// SPDX-License-Identifier: MIT
// The K largest logits of each row, and its log-sum-exp.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/reductions.hpp"

namespace lrd {
namespace {

float value_of(float z) { return std::isnan(z) ? -std::numeric_limits<float>::infinity() : z; }

/// ids (K) of the largest of z (n), kept as a heap whose top is the worst of them. A piece of the row
/// whose maximum is no better than that is passed over: in long rows that is nearly all of them.
void top_of_row(float* values, std::int32_t* ids, std::int64_t K, const float* z, std::int64_t n) {
    constexpr std::int64_t piece = 256;
    const auto better = [z](std::int32_t a, std::int32_t b) {
        const float x = value_of(z[a]);
        const float y = value_of(z[b]);
        return x > y || (x == y && a < b);
    };
    for (std::int64_t i = 0; i < K; ++i) {
        ids[i] = static_cast<std::int32_t>(i);
    }
    std::make_heap(ids, ids + K, better);
    for (std::int64_t i = K; i < n; i += piece) {
        const std::int64_t end = std::min(n, i + piece);
        if (!(largest_of(z + i, end - i) > value_of(z[ids[0]]))) {
            continue;
        }
        for (std::int64_t j = i; j < end; ++j) {
            if (z[j] > value_of(z[ids[0]])) {
                std::pop_heap(ids, ids + K, better);
                ids[K - 1] = static_cast<std::int32_t>(j);
                std::push_heap(ids, ids + K, better);
            }
        }
    }
    std::sort_heap(ids, ids + K, better);
    for (std::int64_t i = 0; i < K; ++i) {
        values[i] = z[ids[i]];
    }
}

double log_sum_exp_of_row(const float* z, std::int64_t n, float tau) {
    const float max = largest_of(z, n);
    return static_cast<double>(max) / static_cast<double>(tau) +
           std::log(sum_exp(z, max, 1.0F / tau, n));
}

}  // namespace

void CpuBackend::do_top_k(const View& values, const View& ids, const View& z) {
    const std::int64_t K = values.cols();
    for_ranges(z.rows(), rows_of(z.cols()), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            top_of_row(values.f32() + row * K, ids.i32() + row * K, K, z.f32() + row * z.cols(),
                       z.cols());
        }
    });
}

void CpuBackend::do_log_sum_exp(const View& lse, const View& z, float tau) {
    for_ranges(z.rows(), rows_of(z.cols()), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            lse.f32()[row] =
                static_cast<float>(log_sum_exp_of_row(z.f32() + row * z.cols(), z.cols(), tau));
        }
    });
}

}  // namespace lrd
