// SPDX-License-Identifier: MIT
#include "config/step_range.hpp"

#include <charconv>

#include "core/check.hpp"

namespace lrd {

StepRange parse_step_range(const std::string& text) {
    StepRange range{};
    const char* const end = text.data() + text.size();
    std::from_chars_result read = std::from_chars(text.data(), end, range.first);
    range.last = range.first;
    if (read.ec == std::errc{} && read.ptr != end && *read.ptr == '-') {
        read = std::from_chars(read.ptr + 1, end, range.last);
    }
    if (read.ec != std::errc{} || read.ptr != end || range.first < 1 || range.last < range.first) {
        fail(ExitCode::usage,
             "run.profile_steps = \"{}\" are no steps; write 3-7, or 5 for one, counted from the "
             "start of this command",
             text);
    }
    return range;
}

}  // namespace lrd
