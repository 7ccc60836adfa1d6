// SPDX-License-Identifier: MIT
#include "model/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/check.hpp"

namespace lrd {
namespace {

using Ids = std::vector<std::int32_t>;

struct MoreProbable {
    std::span<const float> z;
    bool operator()(std::int32_t a, std::int32_t b) const {
        const float x = z[static_cast<std::size_t>(a)];
        const float y = z[static_cast<std::size_t>(b)];
        return x > y || (x == y && a < b);
    }
};

void check_finite(std::span<const float> z) {
    for (std::size_t i = 0; i < z.size(); ++i) {
        if (!std::isfinite(z[i])) {
            fail(ExitCode::bad_data,
                 "the model's logit of token {} is {}: its weights are damaged, or its training "
                 "diverged; take an earlier step",
                 i, z[i]);
        }
    }
}

void keep_top_k(Ids& ids, std::span<const float> z, std::int64_t k) {
    if (k > 0 && k < static_cast<std::int64_t>(ids.size())) {
        std::nth_element(ids.begin(), ids.begin() + (k - 1), ids.end(), MoreProbable{z});
        ids.resize(static_cast<std::size_t>(k));
    }
}

/// A heap, because the tokens that are kept are few among many.
void keep_top_p(Ids& ids, std::span<const float> z, const std::vector<double>& weight, double p) {
    if (p >= 1.0) {
        return;
    }
    double total = 0.0;
    for (const std::int32_t id : ids) {
        total += weight[static_cast<std::size_t>(id)];
    }
    const auto less_probable = [&](std::int32_t a, std::int32_t b) {
        return MoreProbable{z}(b, a);
    };
    std::make_heap(ids.begin(), ids.end(), less_probable);
    Ids kept;
    for (double share = 0.0; kept.empty() || (share < p * total && !ids.empty());) {
        std::pop_heap(ids.begin(), ids.end(), less_probable);
        kept.push_back(ids.back());
        share += weight[static_cast<std::size_t>(ids.back())];
        ids.pop_back();
    }
    ids = std::move(kept);
}

}  // namespace

std::int32_t sample(std::span<const float> z, const Sampling& settings, double uniform) {
    LRD_CHECK(!z.empty(), "no logits");
    check_finite(z);
    const auto best = std::max_element(z.begin(), z.end());  // the first of equals
    if (settings.temperature == 0.0) {
        return static_cast<std::int32_t>(best - z.begin());
    }
    std::vector<double> weight(z.size());  // softmax without its denominator
    for (std::size_t i = 0; i < z.size(); ++i) {
        const double below = static_cast<double>(z[i]) - static_cast<double>(*best);
        weight[i] = std::exp(below / settings.temperature);
    }
    Ids kept(z.size());
    std::iota(kept.begin(), kept.end(), 0);
    keep_top_k(kept, z, settings.top_k);
    keep_top_p(kept, z, weight, settings.top_p);
    std::sort(kept.begin(), kept.end());

    double total = 0.0;
    for (const std::int32_t id : kept) {
        total += weight[static_cast<std::size_t>(id)];
    }
    double passed = 0.0;
    for (const std::int32_t id : kept) {
        passed += weight[static_cast<std::size_t>(id)];
        if (uniform * total < passed) {
            return id;
        }
    }
    return kept.back();  // only rounding leads here
}

}  // namespace lrd
