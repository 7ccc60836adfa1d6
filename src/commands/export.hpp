// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace lrd {

struct ExportOptions {
    std::string model;  // MODEL
    std::string out;    // directory, or file for h5
    std::string as = "hf-dense";
    bool overwrite = false;
};

/// A model for others to use, compared with the original by its logits before it gets its name.
int export_model(const ExportOptions& options);

/// The module that lets `transformers` load a model with factors.
std::string loader_module();

}  // namespace lrd
