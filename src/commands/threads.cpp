// SPDX-License-Identifier: MIT
#include "commands/threads.hpp"

#include <omp.h>

#include <algorithm>
#include <cstdlib>

#include "commands/cores.hpp"
#include "core/log.hpp"
#include "linalg/threads.hpp"

namespace lrd {
namespace {

/// The user has said where threads belong.
bool openmp_places() {
    constexpr const char* names[] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY",
                                     "KMP_AFFINITY"};
    return std::any_of(std::begin(names), std::end(names),
                       [](const char* name) { return std::getenv(name) != nullptr; });
}

/// Cores of a rank if the node's were shared out evenly.
std::int64_t fair_share(const Placement& at, const Communicator& world) {
    return std::max<std::int64_t>(1, std::ssize(at.reachable) / world.node_size());
}

void warn_of_few_cores(std::int64_t asked, const Placement& at, const Communicator& world) {
    const std::int64_t cores = std::ssize(at.mask);
    if (world.rank() != 0 || cores == 0) {
        return;
    }
    if (asked > cores) {
        log::warning(
            "{} threads share the {} core(s) that a rank may run on; start it with --bind-to none "
            "or --map-by slot:pe={} (mpirun), --cpus-per-task={} (srun), or lower run.threads",
            asked, cores, asked, asked);
    } else if (asked == 0 && cores < fair_share(at, world)) {
        log::info(
            "a rank may run on {} of the {} cores there are for it; --bind-to none or "
            "--map-by slot:pe={} (mpirun) gives it all",
            cores, fair_share(at, world), fair_share(at, world));
    }
}

}  // namespace

std::int64_t set_threads(std::int64_t asked, Communicator& world, const std::string& pinning) {
    const Placement at = placement(world);
    const std::int64_t cores =
        at.own.empty() ? std::min<std::int64_t>(std::ssize(at.mask), fair_share(at, world))
                       : std::ssize(at.own);
    const std::int64_t threads = asked > 0 ? asked : std::max<std::int64_t>(1, cores);
    omp_set_num_threads(static_cast<int>(threads));
    omp_set_dynamic(0);
    set_linalg_threads(static_cast<int>(threads));
    warn_of_few_cores(asked, at, world);
    // Ranks that nobody bound stay free: on a crowded node pinned ones wait for their cores.
    const bool bound = at.mask.size() < at.reachable.size();
    if (pinning == "auto" && bound && threads <= std::ssize(at.own) && !openmp_places()) {
        pin(at.own, threads);
        log::info("ranks stay on cores of their own; rank 0 has {}", describe(at.own));
    }
    return threads;
}

}  // namespace lrd
