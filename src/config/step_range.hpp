// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace lrd {

struct StepRange {
    std::int64_t first, last;
};

/// Of "3-7", or "5" alone. Error(usage) for anything else, naming run.profile_steps.
StepRange parse_step_range(const std::string& text);

}  // namespace lrd
