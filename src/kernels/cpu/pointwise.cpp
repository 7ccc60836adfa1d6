// SPDX-License-Identifier: MIT
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"

namespace lrd {
namespace {

constexpr std::int64_t grain = 16384;

LRD_HOT void add_range(float* y, const float* x, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        y[i] += x[i];
    }
}

// ---- GELU in GPT-2's form: y = x/2·(1 + tanh u) = x·σ(2u), u = √(2/π)·(x + 0.044715 x³).

constexpr float two_root = 1.5957691216F;  // 2·√(2/π)
constexpr float cubic = 0.044715F;

/// e^(−2u), bounded so that 1/(1 + e) stays a normal number.
LRD_INLINE float gelu_exponential(float x) {
    const float minus_2u = -two_root * (x + cubic * x * x * x);
    return fast_exp(60.0F < minus_2u ? 60.0F : minus_2u);
}

LRD_HOT void gelu_range(float* y, const float* x, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        y[i] = x[i] / (1.0F + gelu_exponential(x[i]));
    }
}

// dy/dx = σ + x·σ·(1 − σ)·d(2u)/dx with σ = σ(2u) and 1 − σ = e^(−2u)·σ.
LRD_HOT void gelu_backward_range(float* d_x, const float* d_y, const float* x, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        const float e = gelu_exponential(x[i]);
        const float sigma = 1.0F / (1.0F + e);
        const float slope = two_root * (1.0F + 3.0F * cubic * x[i] * x[i]);
        d_x[i] = d_y[i] * (sigma + x[i] * sigma * (e * sigma) * slope);
    }
}

}  // namespace

void CpuBackend::do_add(const View& y, const View& x) {
    for_ranges(x.size(), grain, [&](std::int64_t begin, std::int64_t end) {
        add_range(y.f32() + begin, x.f32() + begin, end - begin);
    });
}

void CpuBackend::do_gelu(const View& y, const View& x) {
    for_ranges(x.size(), grain, [&](std::int64_t begin, std::int64_t end) {
        gelu_range(y.f32() + begin, x.f32() + begin, end - begin);
    });
}

void CpuBackend::do_gelu_backward(const View& d_x, const View& d_y, const View& x) {
    for_ranges(x.size(), grain, [&](std::int64_t begin, std::int64_t end) {
        gelu_backward_range(d_x.f32() + begin, d_y.f32() + begin, x.f32() + begin, end - begin);
    });
}

}  // namespace lrd
