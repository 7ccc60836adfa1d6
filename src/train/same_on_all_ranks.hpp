// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "comm/communicator.hpp"

namespace lrd {

/// Error(usage) on a rank whose `text` (lines of settings) is not that of rank 0, with the first
/// line that differs. The others wait until they are ended. Collective.
void check_same_on_all_ranks(Communicator& world, const std::string& text);

}  // namespace lrd
