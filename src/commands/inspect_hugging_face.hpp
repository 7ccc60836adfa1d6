// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "io/json.hpp"

namespace lrd {

/// {"hugging_face", "architecture", "values", "tokenizer", "files": [{"file", "tensors":
/// [{"name", "type", "shape", "bytes"}]}]} of a directory of Hugging Face.
Json hugging_face_json(const std::string& path);

/// The same for people, a line per tensor.
void print_hugging_face(const Json& json);

}  // namespace lrd
