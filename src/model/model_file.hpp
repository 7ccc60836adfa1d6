// SPDX-License-Identifier: MIT
// Models in files: the architecture as JSON, the trained tensors as one dataset each.
#pragma once

#include <string>

#include "io/hdf5.hpp"
#include "io/json.hpp"
#include "model/weights.hpp"

namespace lrd {

/// {"layers", "width", "heads", "head_width", "ffn", "context", "vocabulary", "tied",
///  "epsilon", "embedding_rank", "forms": [kind per linear], "ranks": [rank per linear]}
Json to_json(const Architecture& architecture);
/// Error(bad_data) naming `origin` for a missing key or sizes that are no model's.
Architecture architecture_from_json(const Json& json, const std::string& origin);

/// Shape of a parameter's dataset: (rows, cols), or (cols) of a vector.
h5::Shape dataset_shape(const Parameter& parameter);

/// Fills every trained tensor from `<group>/<name>`. Error(bad_data) for a missing dataset, a wrong
/// shape or a value that is not finite, naming it.
void load_weights(const h5::File& file, const std::string& group, Weights& weights);

/// A hash over names and values of all trained tensors, and what else changes the function: whether
/// two models are the same.
std::string weights_digest(const Weights& weights);

}  // namespace lrd
