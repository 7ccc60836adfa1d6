// SPDX-License-Identifier: MIT
#pragma once

#include "comm/communicator.hpp"
#include "config/config.hpp"

namespace lrd {

/// Starts a run, or goes on where its directory stands. Returns 0 or ExitCode::stopped.
int train(const Config& config, Communicator& world);

}  // namespace lrd
