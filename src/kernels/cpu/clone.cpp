// SPDX-License-Identifier: MIT
#include "kernels/cpu/column_stripes.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/reductions.hpp"
#include "kernels/cpu/simd.hpp"

namespace lrd {
namespace {

LRD_HOT double squared_distance(const float* s, const float* t, std::int64_t n) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) {
        const auto d = static_cast<double>(s[i] - t[i]);
        sum += d * d;
    }
    return sum;
}

LRD_HOT void add_difference(float* d_s, const float* s, const float* t, float scale,
                            std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        d_s[i] += scale * (s[i] - t[i]);
    }
}

/// Σ row(i) over the rows that count.
template <class Row>
double sum_rows(std::int64_t rows, std::int64_t width, const RowFilter& filter, Row&& row) {
    return sum_ranges(rows, rows_of(width), [&](std::int64_t begin, std::int64_t end) {
        double sum = 0.0;
        for (std::int64_t i = begin; i < end; ++i) {
            sum += filter.takes(i) ? row(i) : 0.0;
        }
        return sum;
    });
}

}  // namespace

void CpuBackend::do_clone_loss(const CloneLoss& a) {
    const std::int64_t width = a.s.cols();
    const RowFilter filter{a.T, a.skip_first, a.starts};
    add_total(a.sum, sum_rows(a.s.rows(), width, filter, [&](std::int64_t i) {
                  const float* s = a.s.f32() + i * width;
                  const float* t = a.t.f32() + i * width;
                  const double distance = squared_distance(s, t, width);
                  if (a.d_s) {
                      add_difference(a.d_s.f32() + i * width, s, t, a.scale, width);
                  }
                  return distance;
              }));
}

void CpuBackend::do_tap_moments(const View& column_sums, const View& square_sum, const View& x,
                                std::int64_t T, bool skip_first, const View& starts) {
    const RowFilter filter{T, skip_first, starts};
    add_column_sums(column_sums, x, filter);
    const std::int64_t width = x.cols();
    add_total(square_sum, sum_rows(x.rows(), width, filter, [&](std::int64_t i) {
                  return sum_of_squares(x.f32() + i * width, width);
              }));
}

}  // namespace lrd
