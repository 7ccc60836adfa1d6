// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "core/view.hpp"

namespace lrd {

double sum_of_squares(const float* x, std::int64_t n);  ///< in fp64, vectorised

// ---- of one row of logits, vectorised
float largest_of(const float* z, std::int64_t n);
/// Σ e^((z − max)·scale); fp32 within 2048 logits, fp64 beyond.
double sum_exp(const float* z, float max, float scale, std::int64_t n);

/// total (1) += value, rounded once.
void add_total(const View& total, double value);

}  // namespace lrd
