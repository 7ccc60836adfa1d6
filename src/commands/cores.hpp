// SPDX-License-Identifier: MIT
// Which cores a rank has, and how its threads stay on them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace lrd {

using Cores = std::vector<int>;  // numbers of cores, ascending

/// The cores of rank `at` of a node, from those that each of its ranks may run on: ranks that may
/// run on the same ones share them out evenly, in order. Empty if there are fewer cores than ranks,
/// or where masks overlap in another way.
Cores share_of_cores(const std::vector<Cores>& masks, std::size_t at);

/// Cores of this rank and what they were taken from.
struct Placement {
    Cores mask;       // on which it was started
    Cores reachable;  // … on which it could run if it asked: a launcher may bind to fewer
    Cores own;        // no other rank's; empty where ranks cannot be kept apart
};
Placement placement(Communicator& world);  ///< collective

/// From now on this thread runs on `own` alone, and so do those that it starts. If an OpenMP team of
/// `threads` fills them, each worker has a core for itself. The first thread stays free among them:
/// a team that has shrunk starts new workers, which inherit from it.
void pin(const Cores& own, std::int64_t threads);

std::string describe(const Cores& cores);  ///< "0-3,8"

}  // namespace lrd
