// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "config/option.hpp"

namespace lrd {

/// The arguments after the command, taken apart: `--name=value`, `--name value`, `--switch`, and
/// the rest in order. Names have underscores for hyphens, but those of students, which are the user's.
struct Arguments {
    std::vector<std::pair<std::string, std::string>> named;
    std::vector<std::string> positional;
    bool help = false;
};

/// `options` tells which names are known, which are switches (a bool) and which may be given
/// several values in a row (a list of texts of a command's own). `open_ended`: names starting with "student." take a value too. Error(usage)
/// for an unknown name, with the nearest one, or a missing value.
Arguments parse_arguments(const std::vector<std::string>& arguments,
                          const std::vector<Option>& options, bool open_ended);

}  // namespace lrd
