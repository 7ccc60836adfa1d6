// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "model/weights.hpp"

namespace lrd {

bool is_dense(const Architecture& architecture);

/// The same model with every linear and the embedding as one matrix (lifted → factored → dense):
/// logits agree to rounding. `weights` must be materialised.
std::unique_ptr<Weights> merged(const Weights& weights, const std::string& name);
/// Into weights of dense_architecture().
void merge(const Weights& weights, Weights& dense);

}  // namespace lrd
