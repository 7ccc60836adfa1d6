// SPDX-License-Identifier: MIT
// LayerNorm (Ba, Kiros & Hinton 2016) with the residual added on the way.
#include <array>
#include <cmath>

#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"

namespace lrd {
namespace {

constexpr std::int64_t stripe = 64;  // columns that one thread sums over all rows

LRD_HOT void add_rows(float* h, const float* x, const float* residual, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        h[i] = x[i] + residual[i];
    }
}

// Two passes over a row that is in the cache: outlier channels make Σx² − (Σx)²/n cancel.
LRD_HOT void normalise_row(float* y, float* mean_out, float* rstd_out, const float* x,
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
        y[i] = (x[i] - centre) * rstd * gamma[i] + beta[i];
    }
    *mean_out = centre;
    *rstd_out = rstd;
}

// With x̂ = (h − mean)·rstd and g = d_y·gamma: d_h += rstd·(g − mean(g) − x̂·mean(g·x̂)).
LRD_HOT void backward_row(float* d_h, const float* d_y, const float* h, const float* gamma,
                          float mean, float rstd, std::int64_t n) {
    double sum = 0.0;
    double dot = 0.0;
#pragma omp simd reduction(+ : sum, dot)
    for (std::int64_t i = 0; i < n; ++i) {
        const float g = d_y[i] * gamma[i];
        sum += static_cast<double>(g);
        dot += static_cast<double>(g) * static_cast<double>((h[i] - mean) * rstd);
    }
    const auto mean_g = static_cast<float>(sum / static_cast<double>(n));
    const auto mean_gx = static_cast<float>(dot / static_cast<double>(n));
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        const float xhat = (h[i] - mean) * rstd;
        d_h[i] += rstd * (d_y[i] * gamma[i] - mean_g - xhat * mean_gx);
    }
}

LRD_HOT void add_to_stripe(double* gamma_sum, double* beta_sum, const float* d_y, const float* h,
                           float mean, float rstd, std::int64_t width) {
#pragma omp simd
    for (std::int64_t c = 0; c < width; ++c) {
        gamma_sum[c] += static_cast<double>(d_y[c] * ((h[c] - mean) * rstd));
        beta_sum[c] += static_cast<double>(d_y[c]);
    }
}

// d_gamma += Σ d_y·x̂, d_beta += Σ d_y over the rows.
void add_parameter_gradients(const LayerNormBackward& a) {
    const std::int64_t width = a.h.cols();
    for_ranges(width, stripe, [&](std::int64_t begin, std::int64_t end) {
        std::array<double, stripe> gamma_sum{};
        std::array<double, stripe> beta_sum{};
        for (std::int64_t i = 0; i < a.h.rows(); ++i) {
            const std::int64_t at = i * width + begin;
            add_to_stripe(gamma_sum.data(), beta_sum.data(), a.d_y.f32() + at, a.h.f32() + at,
                          a.mean.f32()[i], a.rstd.f32()[i], end - begin);
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
            normalise_row(a.y.f32() + i * width, a.mean.f32() + i, a.rstd.f32() + i, x,
                          a.gamma.f32(), a.beta.f32(), a.epsilon, width);
        }
    });
}

void CpuBackend::do_layernorm_backward(const LayerNormBackward& a) {
    const std::int64_t width = a.h.cols();
    for_ranges(a.h.rows(), rows_of(width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            backward_row(a.d_h.f32() + i * width, a.d_y.f32() + i * width, a.h.f32() + i * width,
                         a.gamma.f32(), a.mean.f32()[i], a.rstd.f32()[i], width);
        }
    });
    if (a.d_gamma) {
        add_parameter_gradients(a);
    }
}

}  // namespace lrd
