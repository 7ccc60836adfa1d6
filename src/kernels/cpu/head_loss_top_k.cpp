// SPDX-License-Identifier: MIT
// Head loss against a teacher's K largest logits. The K entries of the student are taken out of the
// row (−∞, whose exponential is 0), so that the sums over the rest have no cancellation.
#include "kernels/cpu/head_loss_top_k.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/check.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/reductions.hpp"
#include "kernels/cpu/simd.hpp"

namespace lrd {
namespace {

constexpr double least_rest = 1e-30;  // of the student: keeps log(m/R) finite

LRD_HOT void write_gradient(float* z, float max, float scale, float w, float w_tau,
                            std::int64_t n) {
    const float power = scale * log2_e;
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        const float centred = z[i] - max;
        z[i] = w * fast_exp2(centred * log2_e) + w_tau * fast_exp2(centred * power);
    }
}

/// Of a thread; grows on the first row of a size.
std::vector<float>& student_top(std::int64_t k) {
    thread_local std::vector<float> values;
    if (values.size() < static_cast<std::size_t>(k)) {
        values.resize(static_cast<std::size_t>(k));
    }
    return values;
}

}  // namespace

void head_loss_top_k(const HeadLoss& a, std::int64_t row) {
    const std::int64_t n = a.z_s.cols();
    const std::int64_t K = a.top_z.cols();
    float* z = a.z_s.f32() + row * n;
    const std::int32_t* ids = a.top_ids.i32() + row * K;
    const float* top = a.top_z.f32() + row * K;
    const std::int32_t label = a.labels.i32()[row];
    a.kd.f32()[row] = 0.0F;
    a.lm.f32()[row] = 0.0F;
    if (label < 0) {
        if (a.gradient) {
            std::fill(z, z + n, 0.0F);
        }
        return;
    }
    const float max = largest_of(z, n);
    const auto centre = static_cast<double>(max);
    const auto tau = static_cast<double>(a.tau);
    const auto lse = static_cast<double>(a.lse.f32()[row]);
    const double label_z = static_cast<double>(z[label]);
    std::vector<float>& own = student_top(K);
    double sum_top = 0.0;      // Σ_k e^(z_k), relative to the row's maximum
    double sum_tau_top = 0.0;  // Σ_k e^(z_k/τ)
    for (std::int64_t k = 0; k < K; ++k) {
        LRD_CHECK(ids[k] >= 0 && ids[k] < n, "head_loss: top_ids[{}, {}] = {} is not below {}", row,
                  k, ids[k], n);
        float& value = z[ids[k]];
        own[static_cast<std::size_t>(k)] = value;
        const double centred = static_cast<double>(value) - centre;
        sum_top += std::exp(centred);
        sum_tau_top += std::exp(centred / tau);
        value = -std::numeric_limits<float>::infinity();
    }
    const float inverse_tau = 1.0F / a.tau;
    const double sum = sum_top + sum_exp(z, max, 1.0F, n);
    const double rest = sum_exp(z, max, inverse_tau, n);
    const double sum_tau = sum_tau_top + rest;
    const double R = std::max(rest / sum_tau, least_rest);
    const double lm = static_cast<double>(a.scale) * static_cast<double>(a.w_lm);
    const double kd = static_cast<double>(a.scale) * static_cast<double>(a.w_kd) * tau;

    double divergence = 0.0;
    double mass = 0.0;  // Σ p_k
    for (std::int64_t k = 0; k < K; ++k) {
        const double log_p = static_cast<double>(top[k]) / tau - lse;
        const double log_q =
            (static_cast<double>(own[static_cast<std::size_t>(k)]) - centre) / tau -
            std::log(sum_tau);
        mass += std::exp(log_p);
        divergence += std::exp(log_p) * (log_p - log_q);
    }
    // What is less than the rounding of lse is no mass at all: with K = V it would be compared with 0.
    const double noise = 0x1p-22 * std::max(1.0, std::fabs(lse));
    const double m = 1.0 - mass < noise ? 0.0 : 1.0 - mass;
    if (m > 0.0) {
        divergence += m * (std::log(m) - std::log(R));
    }
    a.kd.f32()[row] = static_cast<float>(tau * tau * divergence);
    a.lm.f32()[row] = static_cast<float>(centre - label_z + std::log(sum));
    if (!a.gradient) {
        return;
    }
    write_gradient(z, max, inverse_tau, static_cast<float>(lm / sum),
                   static_cast<float>(kd * (1.0 - m / R) / sum_tau), n);
    for (std::int64_t k = 0; k < K; ++k) {
        const double centred = static_cast<double>(own[static_cast<std::size_t>(k)]) - centre;
        const double p = std::exp(static_cast<double>(top[k]) / tau - lse);
        z[ids[k]] = static_cast<float>(lm * std::exp(centred) / sum +
                                       kd * (std::exp(centred / tau) / sum_tau - p));
    }
    z[label] -= static_cast<float>(lm);
}

}  // namespace lrd
