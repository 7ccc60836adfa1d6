// SPDX-License-Identifier: MIT
#include "optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/check.hpp"

namespace lrd {

double cosine(double lr, double lr_min, std::int64_t warmup, std::int64_t cycle, std::int64_t s) {
    if (s < warmup) {
        return lr * static_cast<double>(s) / static_cast<double>(warmup);
    }
    if (s >= cycle) {
        return lr_min;
    }
    const double p = static_cast<double>(s - warmup) / static_cast<double>(cycle - warmup);
    return lr_min + 0.5 * (lr - lr_min) * (1.0 + std::cos(std::numbers::pi * p));
}

double learning_rate(const OptimSettings& o, std::int64_t steps, std::int64_t s) {
    const auto w = static_cast<std::int64_t>(std::ceil(o.warmup * static_cast<double>(steps)));
    if (s < w) {
        return o.lr * static_cast<double>(s) / static_cast<double>(w);
    }
    if (o.schedule == "constant") {
        return o.lr;
    }
    if (o.schedule == "cosine") {
        return cosine(o.lr, o.lr_min, w, steps, s);
    }
    if (o.schedule == "linear") {
        const auto rest = static_cast<double>(std::max<std::int64_t>(steps - w, 1));
        const double p = std::min(1.0, static_cast<double>(s - w) / rest);
        return o.lr + (o.lr_min - o.lr) * p;
    }
    LRD_CHECK(o.schedule == "inverse-sqrt", "schedule {}", o.schedule);
    const auto knee = static_cast<double>(std::max<std::int64_t>(w, 1));
    return std::max(o.lr_min,
                    o.lr * std::sqrt(knee / static_cast<double>(std::max<std::int64_t>(s, 1))));
}

}  // namespace lrd
