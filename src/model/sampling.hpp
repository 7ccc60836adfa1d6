// SPDX-License-Identifier: MIT
// Sampling: from the logits of a position to the next token.
#pragma once

#include <cstdint>
#include <span>

namespace lrd {

/// Applied in this order: probabilities are softmax(z/temperature); `top_k` keeps the k most
/// probable tokens (0: all); `top_p` keeps the fewest most probable tokens whose share of what top_k
/// left is at least top_p (Holtzman et al. 2020; 1: all). Of equal tokens the smaller id counts as
/// more probable.
struct Sampling {
    double temperature = 0.8;  // 0: the most probable token
    std::int64_t top_k = 0;
    double top_p = 1.0;
};

/// The token whose part of [0, 1) holds `uniform`, when the tokens that are kept, in the order of
/// their ids, divide it by their probabilities. Error(bad_data) for a logit that is not finite.
std::int32_t sample(std::span<const float> logits, const Sampling& settings, double uniform);

}  // namespace lrd
