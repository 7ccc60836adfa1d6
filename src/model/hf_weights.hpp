// SPDX-License-Identifier: MIT
// Weights in Hugging Face's files: model.safetensors, or several that model.safetensors.index.json
// lists; names with or without `transformer.`.
#pragma once

#include <string>

#include "model/weights.hpp"

namespace lrd::hf {

/// Fills every trained tensor from the files in `directory`, converted to f32. Ignored: the masks
/// `attn.bias` and `attn.masked_bias` of old files, and a `lm_head.weight` that is the token
/// embedding again. Error(bad_data) for unknown, missing or doubled tensors, for shapes at odds
/// with the configuration and for values that are not finite, by name.
void read_weights(const std::string& directory, Weights& weights);

/// Writes DIR/model.safetensors with the names that `transformers` gives.
void write_weights(const std::string& directory, const Weights& weights);

}  // namespace lrd::hf
