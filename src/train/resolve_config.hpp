// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "config/config.hpp"

namespace lrd {

/// The configuration as run.toml keeps it: paths absolute, so that they hold from another working
/// directory, and data.eval filled in (val of data.tokens, if there is one).
Config resolved(Config config);

/// The split of "DIR:split"; Error(usage) if there is none.
std::string split_of(const std::string& spec);

}  // namespace lrd
