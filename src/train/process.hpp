// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace lrd {

double process_start();     ///< when this process started, on log::now()'s clock
std::string host_name();
std::string job_id();       ///< of Slurm, or ""
std::string utc_time();     ///< "2026-01-31T12:34:56Z"

}  // namespace lrd
