// SPDX-License-Identifier: MIT
#include "kernels/cpu/dropout.hpp"

#include <cmath>

#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"
#include "kernels/cpu/team.hpp"

namespace lrd {
namespace {

struct Words {
    std::uint32_t a, b, c, d;
};

/// core/random.hpp's philox again, inlined so that many counters go side by side.
LRD_INLINE Words philox_inline(Words w, std::uint32_t key_0, std::uint32_t key_1) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t p = std::uint64_t{0xD2511F53} * w.a;
        const std::uint64_t q = std::uint64_t{0xCD9E8D57} * w.c;
        w = {static_cast<std::uint32_t>(q >> 32) ^ w.b ^ key_0, static_cast<std::uint32_t>(q),
             static_cast<std::uint32_t>(p >> 32) ^ w.d ^ key_1, static_cast<std::uint32_t>(p)};
        key_0 += 0x9E3779B9;
        key_1 += 0xBB67AE85;
    }
    return w;
}

/// What is the same for a whole row.
struct Row {
    std::uint32_t quad, head, low, high, key_0, key_1, threshold;
    float scale;
};

LRD_HOT void fill_factors(float* factors, std::int64_t quads, const Row& row) {
    const Row r = row;
#pragma omp simd
    for (std::int64_t i = 0; i < quads; ++i) {
        const Words w = philox_inline(
            {r.quad + static_cast<std::uint32_t>(i), r.head, r.low, r.high}, r.key_0, r.key_1);
        factors[4 * i] = w.a >= r.threshold ? r.scale : 0.0F;
        factors[4 * i + 1] = w.b >= r.threshold ? r.scale : 0.0F;
        factors[4 * i + 2] = w.c >= r.threshold ? r.scale : 0.0F;
        factors[4 * i + 3] = w.d >= r.threshold ? r.scale : 0.0F;
    }
}

LRD_HOT void multiply_range(float* y, const float* x, const float* factors, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        y[i] = x[i] * factors[i];
    }
}

}  // namespace

void dropout_factors(float* factors, std::int64_t n, const Dropout& dropout, std::int64_t row,
                     std::int64_t head, std::int64_t first) {
    const auto global = static_cast<std::uint64_t>(dropout.first_row + row);
    const double threshold = std::ceil(static_cast<double>(dropout.rate) * 0x1p32);
    fill_factors(
        factors, (n + 3) / 4,
        {static_cast<std::uint32_t>(first / 4), static_cast<std::uint32_t>(head),
         static_cast<std::uint32_t>(global), static_cast<std::uint32_t>(global >> 32),
         static_cast<std::uint32_t>(dropout.key), static_cast<std::uint32_t>(dropout.key >> 32),
         static_cast<std::uint32_t>(threshold), 1.0F / (1.0F - dropout.rate)});
}

void multiply(float* y, const float* x, const float* factors, std::int64_t n) {
    multiply_range(y, x, factors, n);
}

void CpuBackend::do_dropout(const View& y, const View& x, const Dropout& dropout) {
    const std::int64_t width = x.cols();
    const std::int64_t grain = rows_of(width);
    const std::int64_t pieces = (x.rows() + grain - 1) / grain;
    team_->for_each(pieces, [&](Worker& worker, std::int64_t piece) {
        float* factors = worker.floats.floats(width + 3);
        for (std::int64_t i = piece * grain; i < std::min(x.rows(), (piece + 1) * grain); ++i) {
            dropout_factors(factors, width, dropout, i, 0);
            multiply_range(y.f32() + i * width, x.f32() + i * width, factors, width);
        }
    });
}

}  // namespace lrd
