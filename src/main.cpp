// SPDX-License-Identifier: MIT
// The only place that catches: an error becomes one sentence on stderr and an exit code.
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "commands/command.hpp"
#include "commands/version.hpp"
#include "core/check.hpp"
#include "core/log.hpp"

namespace {

using namespace lrd;

int print_help() {
    fmt::print("lrd: low-rank distillation of language models on clusters\n\n"
               "usage: lrd COMMAND …      lrd COMMAND --help      lrd --version\n\n");
    for (const Command& command : commands()) {
        fmt::print("  {:<9} {}\n", command.name, command.summary);
    }
    fmt::print("\nUnder MPI: mpirun -n R lrd COMMAND …   or   srun --mpi=pmix lrd COMMAND …\n");
    return 0;
}

int print_help(const Command& command) {
    fmt::print("lrd {} {}\n{}\n\n{}", command.name, command.usage, command.summary, command.help());
    return 0;
}

const Command& find_command(const std::string& name) {
    std::vector<std::string> names;
    for (const Command& command : commands()) {
        if (command.name == name) {
            return command;
        }
        names.push_back(command.name);
    }
    fail(ExitCode::usage, "no command {}{}; see lrd --help", name, did_you_mean(name, names));
}

void complain(const std::string& sentence) {
    std::fflush(stdout);
    fmt::print(stderr, "lrd: {}\n", sentence);
    std::fflush(stderr);
}

/// Runs `work`; an exception is reported by `report` and becomes its exit code.
template <class Work, class Report>
ExitCode guarded(const Work& work, const Report& report) {
    try {
        return static_cast<ExitCode>(work());
    } catch (const Error& error) {
        report(error.what());
        return error.code();
    } catch (const std::bad_alloc&) {
        report("out of memory; lower train.micro_batch or the number of students");
        return ExitCode::out_of_memory;
    } catch (const std::exception& error) {
        report(error.what());
        return ExitCode::internal;
    }
}

bool is_failure(ExitCode code) { return code != ExitCode::done && code != ExitCode::stopped; }

/// The command on every rank. A bad command line is bad on all ranks alike: rank 0 says so, and
/// nobody is left waiting. What fails later on one rank ends the others at once.
int run_command(int argc, char** argv, const Command& command, const std::vector<std::string>& arguments) {
    MpiSession session(argc, argv);
    Communicator& world = session.world();
    log::set_rank(world.rank());
    Runnable runnable;
    const ExitCode parsed = guarded(
        [&] {
            runnable = command.parse(arguments);
            return 0;
        },
        [&](const std::string& sentence) {
            if (world.rank() == 0) {
                complain(sentence);
            }
        });
    if (is_failure(parsed)) {
        return static_cast<int>(parsed);
    }
    const ExitCode code = guarded([&] { return runnable(world); }, [&](const std::string& sentence) {
        complain(world.size() == 1 ? sentence : fmt::format("rank {}: {}", world.rank(), sentence));
    });
    if (is_failure(code) && world.size() > 1) {
        MpiSession::abort(code);
    }
    return static_cast<int>(code);
}

int run_program(int argc, char** argv) {
    const std::vector<std::string> all(argv + 1, argv + argc);
    if (all.empty() || all.front() == "--help" || all.front() == "help" || all.front() == "-h") {
        print_help();
        return all.empty() ? static_cast<int>(ExitCode::usage) : 0;
    }
    if (all.front() == "--version") {
        fmt::print("{}", version_text());
        return 0;
    }
    const Command& command = find_command(all.front());
    const std::vector<std::string> arguments(all.begin() + 1, all.end());
    if (std::find(arguments.begin(), arguments.end(), "--help") != arguments.end()) {
        return print_help(command);
    }
    return run_command(argc, argv, command, arguments);
}

}  // namespace

int main(int argc, char** argv) {
    return static_cast<int>(guarded([&] { return run_program(argc, argv); }, complain));
}
