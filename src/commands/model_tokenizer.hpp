// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "train/model_reference.hpp"

namespace lrd {

/// The tokenizer that goes with a model, found to fit it.
struct ModelTokenizer {
    std::string folder;             // "": none is known
    std::int64_t end_of_text = -1;  // -1: unknown
};

/// Error(bad_data) if the tokenizer's vocabulary is not the model's.
ModelTokenizer find_tokenizer(const ModelLocation& location);

/// Copies vocab.json and merges.txt as they are, fsynced. Nothing without a tokenizer.
void copy_tokenizer(const ModelTokenizer& tokenizer, const std::string& folder);

/// Publishes the tokenizer of a model file as FILE.tokenizer; removes an older one without it.
void publish_tokenizer(const ModelTokenizer& tokenizer, const std::string& file);

/// Error(busy) if a model file is there and may not be replaced.
void check_model_file(const std::string& file, bool overwrite);

}  // namespace lrd
