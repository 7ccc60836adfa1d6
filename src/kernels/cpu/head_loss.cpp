// SPDX-License-Identifier: MIT
// Soft-max losses of rows of logits: three passes over a row (maxima; sums of exponentials;
// gradient), of which only the first reads from memory, the row being in the cache after it.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.hpp"
#include "kernels/cpu/bf16.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/head_loss_top_k.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/reductions.hpp"

namespace lrd {
namespace {

constexpr std::int64_t chunk = 2048;  // logits summed in fp32 before fp64 takes over

/// How e^(z − max) follows from e = e^((z − max)/τ).
enum class Tau { one, two, other };

struct Centre {
    float max_s, max_t;
    float power;  // e^(z/τ) = 2^(z·power)
};

/// Σ over a row, all relative to its maximum.
struct Sums {
    double s = 0.0;      // e^(z_s)
    double s_tau = 0.0;  // e^(z_s/τ)
    double t_tau = 0.0;  // e^(z_t/τ)
    double cross = 0.0;  // e^(z_t/τ)·(z_t − z_s)
};

template <Tau tau>
LRD_INLINE float untempered(float tempered, float centred) {
    if constexpr (tau == Tau::one) {
        return tempered;
    } else if constexpr (tau == Tau::two) {
        return tempered * tempered;
    } else {
        return fast_exp2(centred * log2_e);
    }
}

template <Tau tau>
LRD_INLINE void add_chunk(Sums& sums, const float* z_s, const float* z_t, Centre c,
                          std::int64_t n) {
    float s = 0.0F;
    float s_tau = 0.0F;
    float t_tau = 0.0F;
    float cross = 0.0F;
#pragma omp simd reduction(+ : s, s_tau, t_tau, cross)
    for (std::int64_t i = 0; i < n; ++i) {
        const float student = z_s[i] - c.max_s;
        const float teacher = z_t[i] - c.max_t;
        const float e_s = fast_exp2(student * c.power);
        const float e_t = fast_exp2(teacher * c.power);
        s += untempered<tau>(e_s, student);
        s_tau += e_s;
        t_tau += e_t;
        cross += e_t * (teacher - student);
    }
    sums.s += static_cast<double>(s);
    sums.s_tau += static_cast<double>(s_tau);
    sums.t_tau += static_cast<double>(t_tau);
    sums.cross += static_cast<double>(cross);
}

LRD_HOT void add_chunk_tau_1(Sums& sums, const float* z_s, const float* z_t, Centre c,
                             std::int64_t n) {
    add_chunk<Tau::one>(sums, z_s, z_t, c, n);
}
LRD_HOT void add_chunk_tau_2(Sums& sums, const float* z_s, const float* z_t, Centre c,
                             std::int64_t n) {
    add_chunk<Tau::two>(sums, z_s, z_t, c, n);
}
LRD_HOT void add_chunk_tau(Sums& sums, const float* z_s, const float* z_t, Centre c,
                           std::int64_t n) {
    add_chunk<Tau::other>(sums, z_s, z_t, c, n);
}
LRD_HOT void add_chunk_lm(Sums& sums, const float* z_s, Centre c, std::int64_t n) {
    float s = 0.0F;
#pragma omp simd reduction(+ : s)
    for (std::int64_t i = 0; i < n; ++i) {
        s += fast_exp2((z_s[i] - c.max_s) * log2_e);
    }
    sums.s += static_cast<double>(s);
}

/// Factors of the exponentials in the gradient.
struct Weights {
    float s, s_tau, t_tau;
};

template <Tau tau>
LRD_INLINE void write_gradient(float* z_s, const float* z_t, Centre c, Weights w, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        const float student = z_s[i] - c.max_s;
        const float e_s = fast_exp2(student * c.power);
        const float e_t = fast_exp2((z_t[i] - c.max_t) * c.power);
        z_s[i] = w.s_tau * e_s - w.t_tau * e_t + w.s * untempered<tau>(e_s, student);
    }
}

LRD_HOT void write_gradient_tau_1(float* z_s, const float* z_t, Centre c, Weights w,
                                  std::int64_t n) {
    write_gradient<Tau::one>(z_s, z_t, c, w, n);
}
LRD_HOT void write_gradient_tau_2(float* z_s, const float* z_t, Centre c, Weights w,
                                  std::int64_t n) {
    write_gradient<Tau::two>(z_s, z_t, c, w, n);
}
LRD_HOT void write_gradient_tau(float* z_s, const float* z_t, Centre c, Weights w, std::int64_t n) {
    write_gradient<Tau::other>(z_s, z_t, c, w, n);
}
LRD_HOT void write_gradient_lm(float* z_s, Centre c, Weights w, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        z_s[i] = w.s * fast_exp2((z_s[i] - c.max_s) * log2_e);
    }
}

Sums sum_row(const HeadLoss& a, const float* z_s, const float* z_t, Centre c) {
    Sums sums;
    const std::int64_t n = a.z_s.cols();
    for (std::int64_t i = 0; i < n; i += chunk) {
        const std::int64_t m = std::min(chunk, n - i);
        if (z_t == nullptr) {
            add_chunk_lm(sums, z_s + i, c, m);
        } else if (a.tau == 1.0F) {
            add_chunk_tau_1(sums, z_s + i, z_t + i, c, m);
        } else if (a.tau == 2.0F) {
            add_chunk_tau_2(sums, z_s + i, z_t + i, c, m);
        } else {
            add_chunk_tau(sums, z_s + i, z_t + i, c, m);
        }
    }
    return sums;
}

void write_row_gradient(const HeadLoss& a, float* z_s, const float* z_t, Centre c, const Sums& sums,
                        std::int32_t label) {
    const std::int64_t n = a.z_s.cols();
    const double lm = static_cast<double>(a.scale) * static_cast<double>(a.w_lm);
    const double kd = static_cast<double>(a.scale) * static_cast<double>(a.w_kd * a.tau);
    const Weights w{static_cast<float>(lm / sums.s), static_cast<float>(kd / sums.s_tau),
                    static_cast<float>(kd / sums.t_tau)};
    if (z_t == nullptr) {
        write_gradient_lm(z_s, c, w, n);
    } else if (a.tau == 1.0F) {
        write_gradient_tau_1(z_s, z_t, c, w, n);
    } else if (a.tau == 2.0F) {
        write_gradient_tau_2(z_s, z_t, c, w, n);
    } else {
        write_gradient_tau(z_s, z_t, c, w, n);
    }
    z_s[label] -= static_cast<float>(lm);
}

/// From where it was made, z_s, to where it is wanted, while the row is in the cache.
void move_gradient(const HeadLoss& a, std::int64_t row) {
    const std::int64_t n = a.z_s.cols();
    const float* from = a.z_s.f32() + row * n;
    if (a.d_z.dtype() == DType::bf16) {
        narrow(elements<Bf16>(a.d_z) + row * n, from, n);
    } else {
        std::copy(from, from + n, a.d_z.f32() + row * n);
    }
}

void process_row(const HeadLoss& a, std::int64_t row) {
    const std::int64_t n = a.z_s.cols();
    float* z_s = a.z_s.f32() + row * n;
    const float* z_t = a.z_t ? a.z_t.f32() + row * n : nullptr;
    const std::int32_t label = a.labels.i32()[row];
    float& kd = a.kd.f32()[row];
    float& lm = a.lm.f32()[row];
    kd = 0.0F;
    lm = 0.0F;
    if (label < 0) {
        if (a.gradient) {
            std::fill(z_s, z_s + n, 0.0F);
        }
        return;
    }
    const Centre c{largest_of(z_s, n), z_t == nullptr ? 0.0F : largest_of(z_t, n), log2_e / a.tau};
    const Sums sums = sum_row(a, z_s, z_t, c);
    lm = static_cast<float>(static_cast<double>(c.max_s) - static_cast<double>(z_s[label]) +
                            std::log(sums.s));
    if (z_t != nullptr) {
        // KL = lse_s − lse_t + Σ p_t (z_t − z_s)/τ: no logarithm of a probability. The maxima, by
        // which all is centred, cancel.
        const auto tau = static_cast<double>(a.tau);
        kd = static_cast<float>(
            tau * tau *
            (std::log(sums.s_tau) - std::log(sums.t_tau) + sums.cross / (sums.t_tau * tau)));
    }
    if (a.gradient) {
        write_row_gradient(a, z_s, z_t, c, sums, label);
    }
}

/// The first largest; NaN is never larger.
std::int32_t argmax(const float* z, std::int64_t n) {
    constexpr std::int64_t piece = 512;
    float best = -std::numeric_limits<float>::infinity();
    std::int64_t begin = 0;
    for (std::int64_t i = 0; i < n; i += piece) {
        const float largest = largest_of(z + i, std::min(piece, n - i));
        if (largest > best) {
            best = largest;
            begin = i;
        }
    }
    for (std::int64_t i = begin; i < n; ++i) {
        if (z[i] == best) {
            return static_cast<std::int32_t>(i);
        }
    }
    return 0;
}

}  // namespace

void CpuBackend::do_head_loss(const HeadLoss& a) {
    for (std::int64_t row = 0; row < a.z_s.rows(); ++row) {
        LRD_CHECK(a.labels.i32()[row] < a.z_s.cols(), "head_loss: labels[{}] = {} is not below {}",
                  row, a.labels.i32()[row], a.z_s.cols());
    }
    for_ranges(a.z_s.rows(), rows_of(a.z_s.cols()), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            a.top_ids ? head_loss_top_k(a, row) : process_row(a, row);
            if (a.gradient && a.d_z) {
                move_gradient(a, row);
            }
        }
    });
}

void CpuBackend::do_argmax_rows(const View& best, const View& z) {
    for_ranges(z.rows(), rows_of(z.cols()), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            best.i32()[row] = argmax(z.f32() + row * z.cols(), z.cols());
        }
    });
}

}  // namespace lrd
