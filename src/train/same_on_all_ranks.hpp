// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "comm/communicator.hpp"

namespace lrd {

/// Error(usage) on a rank whose `text` (lines of settings) is not that of rank 0, with the first
/// line that differs. The others wait until they are ended. Collective.
void check_same_on_all_ranks(Communicator& world, const std::string& text);

/// Rank 0 first, so that what is wrong for all is said once; then the others.
template <class Work>
void root_first(Communicator& world, const Work& work) {
    if (world.rank() == 0) {
        work();
    }
    world.barrier();
    if (world.rank() != 0) {
        work();
    }
}

}  // namespace lrd
