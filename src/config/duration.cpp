// SPDX-License-Identifier: MIT
#include "config/duration.hpp"

#include <charconv>
#include <cmath>

#include "core/check.hpp"

namespace lrd {
namespace {

/// A number at the front of `text`, which it is taken from.
bool take_number(std::string& text, double& number) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
    if (result.ec != std::errc{} || !std::isfinite(number) || number < 0.0) {
        return false;
    }
    text.erase(0, static_cast<std::size_t>(result.ptr - text.data()));
    return true;
}

}  // namespace

double parse_duration(const std::string& text) {
    const auto bad = [&] {
        fail(ExitCode::usage,
             "run.max_time = \"{}\" is no duration; write 90, 90s, 15m, 2h or 1:30:00", text);
    };
    std::string rest = text;
    double seconds = 0.0;
    double number = 0.0;
    if (!take_number(rest, number)) {
        bad();
    }
    if (rest.empty() || rest == "s") {
        return number;
    }
    if (rest == "m" || rest == "h") {
        return number * (rest == "m" ? 60.0 : 3600.0);
    }
    seconds = number;
    int parts = 1;
    while (!rest.empty()) {
        if (rest.front() != ':' || ++parts > 3) {
            bad();
        }
        rest.erase(0, 1);
        if (!take_number(rest, number) || number >= 60.0) {
            bad();
        }
        seconds = seconds * 60.0 + number;
    }
    return seconds;  // "1:30" is a minute and a half, as Slurm reads it
}

}  // namespace lrd
