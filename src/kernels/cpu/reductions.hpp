// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "core/view.hpp"

namespace lrd {

double sum_of_squares(const float* x, std::int64_t n);  ///< in fp64, vectorised

/// total (1) += value, rounded once.
void add_total(const View& total, double value);

}  // namespace lrd
