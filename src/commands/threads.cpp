// SPDX-License-Identifier: MIT
#include "commands/threads.hpp"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <thread>

#include "linalg/threads.hpp"

namespace lrd {

std::int64_t set_threads(std::int64_t asked, const Communicator& world) {
    // A launcher may have bound this rank already: then its cores are its own. Unbound ranks
    // share the node.
    cpu_set_t set;
    CPU_ZERO(&set);
    const auto node = static_cast<std::int64_t>(std::thread::hardware_concurrency());
    std::int64_t mine = node;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        mine = CPU_COUNT(&set);
    }
    const std::int64_t fair = std::max<std::int64_t>(1, node / world.node_size());
    const std::int64_t threads =
        asked > 0 ? asked : std::max<std::int64_t>(1, std::min(mine, fair));
    omp_set_num_threads(static_cast<int>(threads));
    omp_set_dynamic(0);
    set_linalg_threads(static_cast<int>(threads));
    return threads;
}

}  // namespace lrd
