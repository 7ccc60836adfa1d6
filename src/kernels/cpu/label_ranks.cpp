// SPDX-License-Identifier: MIT
// Where a label stands among the logits of its row: what top-k accuracy is counted from.
#include "core/check.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"
#include "kernels/cpu/simd.hpp"

namespace lrd {
namespace {

/// How many of z[0, n) are above `mark`, or with `or_equal` at least equal to it.
LRD_HOT std::int32_t count_before(const float* z, std::int64_t n, float mark, bool or_equal) {
    std::int32_t above = 0;
    std::int32_t equal = 0;
#pragma omp simd reduction(+ : above, equal)
    for (std::int64_t i = 0; i < n; ++i) {
        above += z[i] > mark ? 1 : 0;
        equal += z[i] == mark ? 1 : 0;
    }
    return above + (or_equal ? equal : 0);
}

}  // namespace

void CpuBackend::do_label_ranks(const View& ranks, const View& z, const View& labels) {
    const std::int64_t width = z.cols();
    for (std::int64_t row = 0; row < z.rows(); ++row) {
        LRD_CHECK(labels.i32()[row] < width, "label_ranks: labels[{}] = {} is not below {}", row,
                  labels.i32()[row], width);
    }
    for_ranges(z.rows(), rows_of(width), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            const std::int32_t label = labels.i32()[row];
            const float* line = z.f32() + row * width;
            ranks.i32()[row] = label < 0 ? -1
                                         : count_before(line, label, line[label], true) +
                                               count_before(line + label + 1, width - label - 1,
                                                            line[label], false);
        }
    });
}

}  // namespace lrd
