// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace lrd {

/// Seconds of "90", "90s", "15m", "2h", "1:30" (minutes and seconds, as Slurm reads it) or
/// "1:30:00". Error(usage) for anything else, naming run.max_time.
double parse_duration(const std::string& text);

}  // namespace lrd
