// SPDX-License-Identifier: MIT
#pragma once

namespace lrd {

/// What the process returns; the contract with batch scripts (README, "Exit codes").
enum class ExitCode : int {
    done = 0,
    usage = 64,          ///< the command line or a configuration file
    bad_data = 65,       ///< a file that is there but cannot be used
    missing_input = 66,  ///< a file that is not there
    internal = 70,
    out_of_memory = 71,
    busy = 73,      ///< the output directory belongs to a running job, or holds another run
    io = 74,        ///< writing failed: disk full, read-only, …
    stopped = 75,   ///< stopped on request with a valid checkpoint: queue the same command again
    diverged = 76,  ///< too many updates in a row were not finite: do not queue again
};

}  // namespace lrd
