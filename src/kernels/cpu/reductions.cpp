// SPDX-License-Identifier: MIT
// Sums in fp64 over pieces whose borders do not depend on the number of threads.
#include <algorithm>
#include <array>

#include "kernels/cpu/bf16.hpp"
#include "kernels/cpu/column_stripes.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/reductions.hpp"

namespace lrd {
namespace {

LRD_HOT double sum_range(const float* x, std::int64_t n) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) {
        sum += static_cast<double>(x[i]);
    }
    return sum;
}

LRD_HOT double squares_range(const float* x, std::int64_t n) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) {
        sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    return sum;
}

LRD_HOT float max_range(const float* z, std::int64_t n) { return max_of(z, n); }

LRD_HOT float exp_range(const float* z, float max, float scale, std::int64_t n) {
    const float power = scale * log2_e;
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) {
        sum += fast_exp2((z[i] - max) * power);
    }
    return sum;
}

template <class T>
LRD_INLINE void add_stripe(float* sums, const T* x, std::int64_t width) {
#pragma omp simd
    for (std::int64_t c = 0; c < width; ++c) {
        sums[c] += value_of(x[c]);
    }
}
LRD_HOT void add_to_stripe(float* sums, const float* x, std::int64_t width) {
    add_stripe(sums, x, width);
}
LRD_HOT void add_to_stripe_bf16(float* sums, const Bf16* x, std::int64_t width) {
    add_stripe(sums, x, width);
}

}  // namespace

float largest_of(const float* z, std::int64_t n) { return max_range(z, n); }

double sum_exp(const float* z, float max, float scale, std::int64_t n) {
    constexpr std::int64_t chunk = 2048;
    double sum = 0.0;
    for (std::int64_t i = 0; i < n; i += chunk) {
        sum += static_cast<double>(exp_range(z + i, max, scale, std::min(chunk, n - i)));
    }
    return sum;
}

// Compilers name the dispatcher of clones differently: no clone is called from another file.
double sum_of_squares(const float* x, std::int64_t n) { return squares_range(x, n); }

void add_total(const View& total, double value) {
    float& out = *total.f32();
    out = static_cast<float>(static_cast<double>(out) + value);
}

// A thread owns a stripe of columns over all rows: no partial sums to combine.
void add_column_sums(const View& sums, const View& x, const RowFilter& rows) {
    constexpr std::int64_t stripe = 256;
    constexpr std::int64_t chunk = 32;  // rows summed in fp32 before fp64 takes over
    const std::int64_t width = x.cols();
    for_ranges(width, stripe, [&](std::int64_t begin, std::int64_t end) {
        std::array<double, stripe> part{};
        for (std::int64_t first = 0; first < x.rows(); first += chunk) {
            std::array<float, stripe> some{};
            for (std::int64_t i = first; i < std::min(x.rows(), first + chunk); ++i) {
                if (!rows.takes(i)) {
                    continue;
                }
                const std::int64_t at = i * width + begin;
                if (x.dtype() == DType::bf16) {
                    add_to_stripe_bf16(some.data(), elements<Bf16>(x) + at, end - begin);
                } else {
                    add_to_stripe(some.data(), x.f32() + at, end - begin);
                }
            }
            std::transform(part.begin(), part.end(), some.begin(), part.begin(),
                           [](double sum, float more) { return sum + static_cast<double>(more); });
        }
        for (std::int64_t c = begin; c < end; ++c) {
            sums.f32()[c] += static_cast<float>(part[static_cast<std::size_t>(c - begin)]);
        }
    });
}

void CpuBackend::do_column_sums(const View& sums, const View& x) { add_column_sums(sums, x, {}); }

void CpuBackend::do_sum(const View& total, const View& x) {
    add_total(total, sum_ranges(x.size(), element_grain, [&](std::int64_t begin, std::int64_t end) {
                  return sum_range(x.f32() + begin, end - begin);
              }));
}

void CpuBackend::do_sum_squares(const View& total, const View& x) {
    add_total(total, sum_ranges(x.size(), element_grain, [&](std::int64_t begin, std::int64_t end) {
                  return sum_of_squares(x.f32() + begin, end - begin);
              }));
}

}  // namespace lrd
