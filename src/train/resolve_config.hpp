// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "config/config.hpp"
#include "kernels/backend.hpp"

namespace lrd {

/// The configuration as run.toml keeps it: paths absolute, so that they hold from another working
/// directory, data.eval filled in (val of data.tokens, if there is one), and the precision that
/// run.precision = auto stands for on `backend`: a run goes on in the one it began with.
Config resolved(Config config, const Backend& backend);

/// The split of "DIR:split"; Error(usage) if there is none.
std::string split_of(const std::string& spec);

}  // namespace lrd
