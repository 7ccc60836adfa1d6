// SPDX-License-Identifier: MIT
// config.json of Hugging Face's GPT-2: read into an Architecture, and written from one. What the
// model here does not do is refused by the key's name.
#pragma once

#include <cstdint>
#include <string>

#include "io/json.hpp"
#include "model/weights.hpp"

namespace lrd::hf {

/// Whether `path` is a directory with a config.json.
bool is_model(const std::string& path);

/// The architecture that DIR/config.json describes: Hugging Face's GPT-2, or one with factors that
/// `lrd export --as hf` wrote. Error(bad_data) naming file, key and value for anything else.
Architecture read_config(const std::string& directory);

/// config.json for an architecture without lifted linears; with factors it is of a class of our
/// own (`loader`.py in the directory). `end_of_text` < 0: none is known. Error(usage) for sizes
/// that the format cannot say.
Json config_json(const Architecture& architecture, std::int64_t end_of_text,
                 const std::string& loader);

}  // namespace lrd::hf
