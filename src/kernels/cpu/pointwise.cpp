// SPDX-License-Identifier: MIT
#include <cmath>

#include "kernels/cpu/bf16.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"

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
// With e = e^(−2|u|), which needs no bound: σ(2u) = 1/(1 + e) for x > 0, else e/(1 + e).

constexpr float two_root = 1.5957691216F;  // 2·√(2/π)
constexpr float cubic = 0.044715F;

LRD_INLINE float gelu_exponential(float x, float) {
    return fast_exp(-std::fabs(two_root * (x + cubic * x * x * x)));
}
/// For a result in bf16.
LRD_INLINE float gelu_exponential(float x, Bf16) {
    constexpr float power = two_root * log2_e;
    return fast_exp2(-std::fabs(x) * (power + power * cubic * (x * x)));
}

template <class T>
LRD_INLINE void gelu_of(T* y, const T* x, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        const float v = value_of(x[i]);
        const float e = gelu_exponential(v, T{});
        set_result(y[i], v * (v > 0.0F ? 1.0F : e) / (1.0F + e));
    }
}
LRD_HOT void gelu_range(float* y, const float* x, std::int64_t n) { gelu_of(y, x, n); }
LRD_HOT void gelu_range_bf16(Bf16* y, const Bf16* x, std::int64_t n) { gelu_of(y, x, n); }

// dy/dx = σ + x·σ·(1 − σ)·d(2u)/dx with σ = σ(2u) and σ·(1 − σ) = e/(1 + e)².
template <class T>
LRD_INLINE void gelu_backward_of(T* d_x, const T* d_y, const T* x, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        const float v = value_of(x[i]);
        const float e = gelu_exponential(v, T{});
        const float inverse = 1.0F / (1.0F + e);
        const float sigma = (v > 0.0F ? 1.0F : e) * inverse;
        const float slope = two_root + 3.0F * two_root * cubic * (v * v);
        set_result(d_x[i], value_of(d_y[i]) * (sigma + v * slope * (e * inverse * inverse)));
    }
}
LRD_HOT void gelu_backward_range(float* d_x, const float* d_y, const float* x, std::int64_t n) {
    gelu_backward_of(d_x, d_y, x, n);
}
LRD_HOT void gelu_backward_range_bf16(Bf16* d_x, const Bf16* d_y, const Bf16* x, std::int64_t n) {
    gelu_backward_of(d_x, d_y, x, n);
}

}  // namespace

void CpuBackend::do_add(const View& y, const View& x) {
    for_ranges(x.size(), grain, [&](std::int64_t begin, std::int64_t end) {
        add_range(y.f32() + begin, x.f32() + begin, end - begin);
    });
}

void CpuBackend::do_gelu(const View& y, const View& x) {
    for_ranges(x.size(), grain, [&](std::int64_t begin, std::int64_t end) {
        if (x.dtype() == DType::bf16) {
            gelu_range_bf16(elements<Bf16>(y) + begin, elements<Bf16>(x) + begin, end - begin);
        } else {
            gelu_range(y.f32() + begin, x.f32() + begin, end - begin);
        }
    });
}

void CpuBackend::do_gelu_backward(const View& d_x, const View& d_y, const View& x) {
    for_ranges(x.size(), grain, [&](std::int64_t begin, std::int64_t end) {
        if (x.dtype() == DType::bf16) {
            gelu_backward_range_bf16(elements<Bf16>(d_x) + begin, elements<Bf16>(d_y) + begin,
                                     elements<Bf16>(x) + begin, end - begin);
        } else {
            gelu_backward_range(d_x.f32() + begin, d_y.f32() + begin, x.f32() + begin, end - begin);
        }
    });
}

}  // namespace lrd
