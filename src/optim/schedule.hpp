// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "config/config.hpp"

namespace lrd {

/// Learning rate of update s = 1, 2, …, `steps`. Warm-up is linear from 0 over the first
/// w = ⌈warmup·steps⌉ updates (update w has the full rate), then, with p = (s − w)/(steps − w):
///   cosine  lr_min + (lr − lr_min)(1 + cos πp)/2      linear  lr + (lr_min − lr) p
///   constant  lr                                       inverse-sqrt  lr·√(max(w,1)/s), ≥ lr_min
double learning_rate(const OptimSettings& optim, std::int64_t steps, std::int64_t s);

/// The cosine of the above with its lengths in updates: warm-up `warmup`, minimum reached at
/// `cycle` and kept.
double cosine(double lr, double lr_min, std::int64_t warmup, std::int64_t cycle, std::int64_t s);

}  // namespace lrd
