// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/backend.hpp"

namespace lrd {

/// factors[j] = 0 or 1/(1 − rate) of element (row, first + j), j < n; row counts from
/// dropout.first_row, `first` is a multiple of 4. Room for n, rounded up to a multiple of 4.
void dropout_factors(float* factors, std::int64_t n, const Dropout& dropout, std::int64_t row,
                     std::int64_t head, std::int64_t first = 0);

/// y = x·factors.
void multiply(float* y, const float* x, const float* factors, std::int64_t n);

}  // namespace lrd
