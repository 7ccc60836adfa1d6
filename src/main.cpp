// SPDX-License-Identifier: MIT
// The only place that catches: an error becomes one sentence on stderr and an exit code.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "commands/command.hpp"
#include "commands/version.hpp"
#include "core/check.hpp"
#include "core/log.hpp"

namespace {

using namespace lrd;

int print_help() {
    fmt::print(
        "lrd: low-rank distillation of language models on clusters\n\n"
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

const Command* find_command(const std::string& name) {
    for (const Command& command : commands()) {
        if (command.name == name) {
            return &command;
        }
    }
    return nullptr;
}

Runnable parse(const std::vector<std::string>& all) {
    if (const Command* command = find_command(all.front())) {
        return command->parse({all.begin() + 1, all.end()});
    }
    std::vector<std::string> names;
    for (const Command& command : commands()) {
        names.push_back(command.name);
    }
    fail(ExitCode::usage, "no command {}{}; see lrd --help", all.front(),
         did_you_mean(all.front(), names));
}

void complain(const std::string& sentence) {
    std::fflush(stdout);
    fmt::print(stderr, "lrd: {}\n", sentence);
    std::fflush(stderr);
}

/// Runs `work`; an exception becomes its sentence and its exit code.
template <class Work>
ExitCode guarded(const Work& work, std::string& sentence) {
    try {
        return static_cast<ExitCode>(work());
    } catch (const Error& error) {
        sentence = error.what();
        return error.code();
    } catch (const std::bad_alloc&) {
        sentence = "out of memory; lower the micro-batch or the number of students";
        return ExitCode::out_of_memory;
    } catch (const std::system_error& error) {  // of files, stdout among them
        sentence = error.what();
        return ExitCode::io;
    } catch (const std::exception& error) {
        sentence = error.what();
    } catch (...) {
        sentence = "an exception of unknown type";
    }
    return ExitCode::internal;
}

/// What was printed may still lie in a buffer, and the disk behind it may be full.
void flush_stdout() {
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        fail(ExitCode::io, "standard output cannot be written: {}", std::strerror(errno));
    }
}

bool is_failure(ExitCode code) { return code != ExitCode::done && code != ExitCode::stopped; }

std::string with_rank(int rank, const std::string& sentence) {
    return fmt::format("rank {}: {}", rank, sentence);
}

/// A command line is read before ranks need each other, so they can agree on what came of it: what
/// is wrong for rank 0 is wrong for all and said once. Every rank gets the largest code.
ExitCode agree(Communicator& world, ExitCode mine, const std::string& sentence) {
    std::array<double, 2> worst = {static_cast<double>(mine),
                                   world.rank() == 0 ? static_cast<double>(mine) : 0.0};
    world.all_reduce_max(worst);
    if (is_failure(mine) && world.rank() == 0) {
        complain(sentence);
    } else if (is_failure(mine) && worst[1] == 0.0) {
        complain(with_rank(world.rank(), sentence));
    }
    return static_cast<ExitCode>(static_cast<int>(worst[0]));
}

/// Ranks may not ask each other now: some may be anywhere. Rank 0 speaks for all; the others give
/// it time to end them before they speak for themselves. Then all end, wherever they are.
void abort_all(const Communicator& world, ExitCode code, const std::string& sentence) {
    if (world.rank() == 0) {
        complain(sentence);
    } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(300 * std::min(world.rank(), 5)));
        complain(with_rank(world.rank(), sentence));
    }
    MpiSession::abort(code);
}

int run_command(int argc, char** argv, const std::vector<std::string>& all) {
    MpiSession session(argc, argv);
    Communicator& world = session.world();
    log::set_rank(world.rank());
    Runnable runnable;
    std::string sentence;
    ExitCode code = guarded(
        [&] {
            runnable = parse(all);
            return 0;
        },
        sentence);
    code = agree(world, code, sentence);
    if (is_failure(code)) {
        return static_cast<int>(code);
    }
    code = guarded([&] { return runnable(world); }, sentence);
    if (is_failure(code) && world.size() > 1) {
        abort_all(world, code, sentence);
    }
    if (is_failure(code)) {
        complain(sentence);
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
    const Command* command = find_command(all.front());
    if (command != nullptr && std::find(all.begin(), all.end(), "--help") != all.end()) {
        return print_help(*command);  // no MPI: help works on a login node too
    }
    return run_command(argc, argv, all);
}

}  // namespace

int main(int argc, char** argv) {
    std::string sentence;
    const ExitCode code = guarded(
        [&] {
            const int result = run_program(argc, argv);
            flush_stdout();
            return result;
        },
        sentence);
    if (!sentence.empty()) {
        complain(sentence);
    }
    return static_cast<int>(code);
}
