// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "comm/communicator.hpp"

namespace lrd {

/// Threads of this rank: as asked, or as many as it has cores of its own, at least 1. Returns the
/// number. `pin` "auto" keeps them on these cores where the cores are this rank's for sure: a
/// launcher gave them, or the node's ranks are all ours; and where OpenMP is not told otherwise by
/// its environment. A process alone stays free: another one, started by hand, would choose the same
/// cores. Collective.
std::int64_t set_threads(std::int64_t asked, Communicator& world, const std::string& pin = "auto");

}  // namespace lrd
