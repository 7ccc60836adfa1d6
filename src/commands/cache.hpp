// SPDX-License-Identifier: MIT
#pragma once

#include "comm/communicator.hpp"
#include "config/config.hpp"

namespace lrd {

/// Fills teacher.cache of a run ahead, or goes on where it stands. Returns 0 or ExitCode::stopped.
int cache(const Config& config, Communicator& world);

}  // namespace lrd
