// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/weights.hpp"

namespace lrd {

bool is_dense(const Architecture& architecture);

/// The same model with every linear and the embedding as one matrix (lifted → factored → dense):
/// logits agree to rounding. `weights` must be materialised.
std::unique_ptr<Weights> merged(const Weights& weights, const std::string& name);
/// Into weights of dense_architecture().
void merge(const Weights& weights, Weights& dense);

/// The same model without lifted linears, so that no teacher is needed (lifted → factored).
std::unique_ptr<Weights> with_plain_factors(const Weights& weights, const std::string& name);

/// x (rows, cols), row-major, with rows and columns exchanged.
std::vector<float> transposed(const std::vector<float>& x, std::int64_t rows, std::int64_t cols);

}  // namespace lrd
