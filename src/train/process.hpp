// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace lrd {

double process_start();  ///< when this process started, on log::now()'s clock
std::string host_name();
std::string job_id();  ///< of Slurm, or ""
/// When process `pid` of this host started, in ticks since boot; "" if there is none. Together with
/// the pid it names a process for good: pids are used again.
std::string start_ticks(long pid);
std::uint64_t peak_memory();  ///< bytes of this process, so far
std::uint64_t node_memory();  ///< bytes that this node, or the control group we are in, has
std::string utc_time();       ///< "2026-01-31T12:34:56Z"

}  // namespace lrd
