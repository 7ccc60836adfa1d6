// SPDX-License-Identifier: MIT
// Attention of one new token per sequence to the keys and values of those before it.
#include <cmath>
#include <cstring>

#include "core/check.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"
#include "kernels/cpu/team.hpp"

namespace lrd {
namespace {

void copy_row(float* to, const float* from, std::int64_t n) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
}

/// p[j] = q·k_j for the first n rows of `keys`, `ld` apart.
LRD_HOT void score(float* p, const float* q, const float* keys, std::int64_t ld, std::int64_t n,
                   std::int64_t D) {
    for (std::int64_t j = 0; j < n; ++j) {
        const float* k = keys + j * ld;
        float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
        for (std::int64_t d = 0; d < D; ++d) {
            sum += q[d] * k[d];
        }
        p[j] = sum;
    }
}

/// y = Σ_j softmax(scale·p)_j v_j; p is spoilt.
LRD_HOT void average(float* y, float* p, const float* values, std::int64_t ld, std::int64_t n,
                     std::int64_t D, float scale) {
    const float sum = exponentials(p, n, max_of(p, n), scale);
    for (std::int64_t d = 0; d < D; ++d) {
        y[d] = 0.0F;
    }
    for (std::int64_t j = 0; j < n; ++j) {
        const float* v = values + j * ld;
        const float share = p[j] / sum;
#pragma omp simd
        for (std::int64_t d = 0; d < D; ++d) {
            y[d] += share * v[d];
        }
    }
}

}  // namespace

void CpuBackend::do_store_kv(const View& cache_k, const View& cache_v, const View& qkv,
                             AttentionShape s) {
    const std::int64_t width = s.H * s.D;
    const std::int64_t room = cache_k.dim(1);
    for_ranges(s.B * s.T, rows_of(2 * width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            const float* k = qkv.f32() + row * 3 * width + width;
            const std::int64_t at = (row / s.T * room + row % s.T) * width;
            copy_row(cache_k.f32() + at, k, width);
            copy_row(cache_v.f32() + at, k + width, width);
        }
    });
}

// One item per head: it alone adds its part of the new row to the caches and reads it.
void CpuBackend::do_attention_decode(const View& y, const View& cache_k, const View& cache_v,
                                     const View& qkv, const View& lengths, std::int64_t H) {
    const std::int64_t width = y.cols();
    const std::int64_t D = width / H;
    const std::int64_t room = cache_k.dim(1);
    for (std::int64_t b = 0; b < y.rows(); ++b) {
        LRD_CHECK(lengths.i32()[b] >= 0 && lengths.i32()[b] < room,
                  "attention_decode: lengths[{}] = {} is not in [0, {})", b, lengths.i32()[b],
                  room);
    }
    const float scale = 1.0F / std::sqrt(static_cast<float>(D));
    team_->for_each(y.rows() * H, [&](Worker& worker, std::int64_t item) {
        const std::int64_t b = item / H;
        const std::int64_t head = item % H * D;
        const std::int64_t length = lengths.i32()[b];
        const float* q = qkv.f32() + b * 3 * width + head;
        float* keys = cache_k.f32() + b * room * width + head;
        float* values = cache_v.f32() + b * room * width + head;
        copy_row(keys + length * width, q + width, D);
        copy_row(values + length * width, q + 2 * width, D);
        float* p = worker.floats.floats(room);
        score(p, q, keys, width, length + 1, D);
        average(y.f32() + b * width + head, p, values, width, length + 1, D, scale);
    });
}

}  // namespace lrd
