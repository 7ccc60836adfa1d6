// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace lrd {

struct ImportOptions {
    std::string from;  // directory of Hugging Face
    std::string out;   // model file to make
    bool overwrite = false;
};

/// A GPT-2 of Hugging Face → a model file, and its tokenizer beside it as FILE.tokenizer.
int import_model(const ImportOptions& options);

}  // namespace lrd
