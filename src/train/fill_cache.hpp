// SPDX-License-Identifier: MIT
#pragma once

#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "kernels/backend.hpp"

namespace lrd {

/// Computes what teacher.cache lacks of the windows of a run, shared out over the ranks. Stopped by
/// a signal or run.max_time it keeps what it has: ExitCode::stopped.
ExitCode fill_cache(const Config& config, Backend& backend, Communicator& world);

}  // namespace lrd
