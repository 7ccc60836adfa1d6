// SPDX-License-Identifier: MIT
// The prompts of `lrd generate`, from the command line or stdin, and found good for the model.
#pragma once

#include <optional>
#include <vector>

#include "commands/generate.hpp"
#include "data/tokenizer.hpp"
#include "model/decoder.hpp"
#include "train/model_reference.hpp"

namespace lrd {

struct Prompts {
    std::optional<Tokenizer> tokenizer;  // none: ids alone
    std::vector<TokenIds> ids;           // 1 to T each
};

/// Error(usage) for a prompt that is empty, longer than the context, no UTF-8 or of other ids than
/// the model's, and where a tokenizer is needed and none is known.
Prompts read_prompts(const GenerateOptions& options, const ModelLocation& model);

}  // namespace lrd
