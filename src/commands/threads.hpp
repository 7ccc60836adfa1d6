// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "comm/communicator.hpp"

namespace lrd {

/// Threads of this rank: as asked, or cores of the node divided by its ranks, at least 1. Says so
/// once. Returns the number.
std::int64_t set_threads(std::int64_t asked, const Communicator& world);

}  // namespace lrd
