// SPDX-License-Identifier: MIT
// Commands that fail in the ways a rank can; main.cpp does not know the difference.
#include <signal.h>
#include <unistd.h>

#include <new>
#include <stdexcept>

#include "commands/command.hpp"
#include "commands/version.hpp"
#include "core/check.hpp"

namespace lrd {
namespace {

/// `fails` on the last rank (or on all), while the others wait for it.
Runnable failing(const std::string& how, bool everywhere) {
    return [how, everywhere](Communicator& world) {
        if (everywhere || world.rank() == world.size() - 1) {
            if (how == "error") {
                fail(ExitCode::bad_data, "shard 3 is cut short");
            }
            if (how == "memory") {
                throw std::bad_alloc();
            }
            if (how == "bug") {
                throw std::runtime_error("a bug");
            }
            if (how == "kill") {
                ::kill(getpid(), SIGKILL);
            }
        }
        world.barrier();
        return static_cast<int>(how == "stop" ? ExitCode::stopped : ExitCode::done);
    };
}

Runnable parse(const std::vector<std::string>& arguments) {
    if (arguments.empty()) {
        fail(ExitCode::usage, "say how to fail");
    }
    return failing(arguments.front(), arguments.size() > 1 && arguments[1] == "everywhere");
}

}  // namespace

std::string version_text() { return "test\n"; }

const std::vector<Command>& commands() {
    static const std::vector<Command> all = {
        {"fail", "HOW [everywhere]", "fails", [] { return std::string(); }, parse}};
    return all;
}

}  // namespace lrd
