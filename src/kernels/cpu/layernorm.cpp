// SPDX-License-Identifier: MIT
// LayerNorm (Ba, Kiros & Hinton 2016) with the residual added on the way.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/cpu/bf16.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"

namespace lrd {
namespace {

constexpr std::int64_t stripe = 64;  // columns that one thread sums over all rows
constexpr std::int64_t chunk = 32;   // rows that it sums in fp32 before fp64 takes over

LRD_HOT void add_rows(float* h, const float* x, const float* residual, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        h[i] = x[i] + residual[i];
    }
}

// Two passes over a row that is in the cache: outlier channels make Σx² − (Σx)²/n cancel.
template <class Y>
LRD_INLINE void normalise(Y* y, float* mean_out, float* rstd_out, const float* x,
                          const float* gamma, const float* beta, double epsilon, std::int64_t n) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) {
        sum += static_cast<double>(x[i]);
    }
    const double mean = sum / static_cast<double>(n);
    double squares = 0.0;
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < n; ++i) {
        const double d = static_cast<double>(x[i]) - mean;
        squares += d * d;
    }
    const auto rstd =
        static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(n) + epsilon));
    const auto centre = static_cast<float>(mean);
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        set(y[i], (x[i] - centre) * rstd * gamma[i] + beta[i]);
    }
    *mean_out = centre;
    *rstd_out = rstd;
}
LRD_HOT void normalise_row(float* y, float* mean, float* rstd, const float* x, const float* gamma,
                           const float* beta, double epsilon, std::int64_t n) {
    normalise(y, mean, rstd, x, gamma, beta, epsilon, n);
}
LRD_HOT void normalise_row_bf16(Bf16* y, float* mean, float* rstd, const float* x,
                                const float* gamma, const float* beta, double epsilon,
                                std::int64_t n) {
    normalise(y, mean, rstd, x, gamma, beta, epsilon, n);
}

// With x̂ = (h − mean)·rstd and g = d_y·gamma: d_h += rstd·(g − mean(g) − x̂·mean(g·x̂)).
template <class Y>
LRD_INLINE void backward(float* d_h, const Y* d_y, const float* h, const float* gamma, float mean,
                         float rstd, std::int64_t n) {
    double sum = 0.0;
    double dot = 0.0;
#pragma omp simd reduction(+ : sum, dot)
    for (std::int64_t i = 0; i < n; ++i) {
        const float g = value_of(d_y[i]) * gamma[i];
        sum += static_cast<double>(g);
        dot += static_cast<double>(g) * static_cast<double>((h[i] - mean) * rstd);
    }
    const auto mean_g = static_cast<float>(sum / static_cast<double>(n));
    const auto mean_gx = static_cast<float>(dot / static_cast<double>(n));
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        const float xhat = (h[i] - mean) * rstd;
        d_h[i] += rstd * (value_of(d_y[i]) * gamma[i] - mean_g - xhat * mean_gx);
    }
}
LRD_HOT void backward_row(float* d_h, const float* d_y, const float* h, const float* gamma,
                          float mean, float rstd, std::int64_t n) {
    backward(d_h, d_y, h, gamma, mean, rstd, n);
}
LRD_HOT void backward_row_bf16(float* d_h, const Bf16* d_y, const float* h, const float* gamma,
                               float mean, float rstd, std::int64_t n) {
    backward(d_h, d_y, h, gamma, mean, rstd, n);
}

template <class Y>
LRD_INLINE void add_stripe(float* gamma_sum, float* beta_sum, const Y* d_y, const float* h,
                           float mean, float rstd, std::int64_t width) {
#pragma omp simd
    for (std::int64_t c = 0; c < width; ++c) {
        const float d = value_of(d_y[c]);
        gamma_sum[c] += d * ((h[c] - mean) * rstd);
        beta_sum[c] += d;
    }
}
LRD_HOT void add_to_stripe(float* gamma_sum, float* beta_sum, const float* d_y, const float* h,
                           float mean, float rstd, std::int64_t width) {
    add_stripe(gamma_sum, beta_sum, d_y, h, mean, rstd, width);
}
LRD_HOT void add_to_stripe_bf16(float* gamma_sum, float* beta_sum, const Bf16* d_y, const float* h,
                                float mean, float rstd, std::int64_t width) {
    add_stripe(gamma_sum, beta_sum, d_y, h, mean, rstd, width);
}

// d_gamma += Σ d_y·x̂, d_beta += Σ d_y over the rows.
void add_parameter_gradients(const LayerNormBackward& a) {
    const std::int64_t width = a.h.cols();
    for_ranges(width, stripe, [&](std::int64_t begin, std::int64_t end) {
        std::array<double, stripe> gamma_sum{};
        std::array<double, stripe> beta_sum{};
        for (std::int64_t first = 0; first < a.h.rows(); first += chunk) {
            std::array<float, stripe> gamma_part{};
            std::array<float, stripe> beta_part{};
            for (std::int64_t i = first; i < std::min(a.h.rows(), first + chunk); ++i) {
                const std::int64_t at = i * width + begin;
                const float mean = a.mean.f32()[i];
                const float rstd = a.rstd.f32()[i];
                if (a.d_y.dtype() == DType::bf16) {
                    add_to_stripe_bf16(gamma_part.data(), beta_part.data(),
                                       elements<Bf16>(a.d_y) + at, a.h.f32() + at, mean, rstd,
                                       end - begin);
                } else {
                    add_to_stripe(gamma_part.data(), beta_part.data(), a.d_y.f32() + at,
                                  a.h.f32() + at, mean, rstd, end - begin);
                }
            }
            for (std::size_t k = 0; k < gamma_part.size(); ++k) {
                gamma_sum[k] += static_cast<double>(gamma_part[k]);
                beta_sum[k] += static_cast<double>(beta_part[k]);
            }
        }
        for (std::int64_t c = begin; c < end; ++c) {
            const auto k = static_cast<std::size_t>(c - begin);
            a.d_gamma.f32()[c] += static_cast<float>(gamma_sum[k]);
            a.d_beta.f32()[c] += static_cast<float>(beta_sum[k]);
        }
    });
}

}  // namespace

void CpuBackend::do_layernorm(const LayerNorm& a) {
    const std::int64_t width = a.x.cols();
    for_ranges(a.x.rows(), rows_of(width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            const float* x = a.x.f32() + i * width;
            if (a.residual) {
                float* h = a.h.f32() + i * width;
                add_rows(h, x, a.residual.f32() + i * width, width);
                x = h;
            }
            float* mean = a.mean.f32() + i;
            float* rstd = a.rstd.f32() + i;
            if (a.y.dtype() == DType::bf16) {
                normalise_row_bf16(elements<Bf16>(a.y) + i * width, mean, rstd, x, a.gamma.f32(),
                                   a.beta.f32(), a.epsilon, width);
            } else {
                normalise_row(a.y.f32() + i * width, mean, rstd, x, a.gamma.f32(), a.beta.f32(),
                              a.epsilon, width);
            }
        }
    });
}

void CpuBackend::do_layernorm_backward(const LayerNormBackward& a) {
    const std::int64_t width = a.h.cols();
    for_ranges(a.h.rows(), rows_of(width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            float* d_h = a.d_h.f32() + i * width;
            const float* h = a.h.f32() + i * width;
            if (a.d_y.dtype() == DType::bf16) {
                backward_row_bf16(d_h, elements<Bf16>(a.d_y) + i * width, h, a.gamma.f32(),
                                  a.mean.f32()[i], a.rstd.f32()[i], width);
            } else {
                backward_row(d_h, a.d_y.f32() + i * width, h, a.gamma.f32(), a.mean.f32()[i],
                             a.rstd.f32()[i], width);
            }
        }
    });
    if (a.d_gamma) {
        add_parameter_gradients(a);
    }
}

}  // namespace lrd
