// SPDX-License-Identifier: MIT
// The commands of `lrd`: one table from which main, --help and the tests derive.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "config/command_line.hpp"

namespace lrd {

/// A command line that has been read and found good; `run` may be called on every rank.
using Runnable = std::function<int(Communicator&)>;

struct Command {
    std::string name;
    std::string usage;                  // "CONFIG.toml [--section.key=value …]"
    std::string summary;                // one line
    std::function<std::string()> help;  // the options, generated
    std::function<Runnable(const std::vector<std::string>&)> parse;
};

const std::vector<Command>& commands();

}  // namespace lrd
