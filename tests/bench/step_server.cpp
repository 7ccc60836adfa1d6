// SPDX-License-Identifier: MIT
// step_server OUT.safetensors '{"L": 12, …}': one side of against_pytorch.py. Builds the models of
// the description (work.hpp), writes weights and tokens for the other side, and works when it is
// told to. Commands on the standard input of rank 0:
//     turn N    N times -> {"seconds", of one; "peak_rss"; and of the last, if it was a step, "kd",
//               "lm", "clone", "grad_norm", a value per student in the lists}
// Ends with its input, or with the process that started it: stopped it could do nothing else.
#include <fmt/core.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <iostream>

#include "commands/threads.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "train/process.hpp"
#include "work.hpp"

namespace lrd {
namespace {

/// One number of each rank.
std::vector<double> of_ranks(Communicator& world, double mine) {
    std::vector<double> all(static_cast<std::size_t>(world.size()), 0.0);
    all[static_cast<std::size_t>(world.rank())] = mine;
    world.all_reduce_sum(all);
    return all;
}

Json ready(Turns& turns, Communicator& world) {
    Json pids = Json::array();
    for (const double pid : of_ranks(world, getpid())) {
        pids.push(static_cast<std::int64_t>(pid));
    }
    const Bound bound = turns.bound();
    double all_ranks[] = {bound.per_second};
    world.all_reduce_sum(all_ranks);
    return Json::object({{"pids", pids},
                         {"per_turn", bound.per_turn},
                         {"per_second", all_ranks[0]},
                         {"unit", bound.unit},
                         {"of", bound.of},
                         {"fill_seconds_per_window", turns.fill_seconds()}});
}

/// `count` turns; seconds of one, results of the last.
Json taken(Turns& turns, std::int64_t count, Communicator& world, Backend& backend) {
    world.barrier();
    const double start = log::now();
    Json results;
    for (std::int64_t i = 0; i < count; ++i) {
        results = turns.run();
    }
    backend.synchronize();
    double seconds[] = {(log::now() - start) / static_cast<double>(count)};
    world.all_reduce_max(seconds);
    double peak[] = {static_cast<double>(peak_memory())};
    world.all_reduce_sum(peak);
    results["seconds"] = seconds[0];
    results["peak_rss"] = peak[0];
    return results;
}

void answer(Communicator& world, const Json& json) {
    if (world.rank() == 0) {
        fmt::print("{}\n", json.dump());
        std::fflush(stdout);
    }
}

void serve(const std::string& path, const Work& work, Communicator& world) {
    set_threads(work.threads, world);
    const std::unique_ptr<Backend> backend = make_backend("cpu", work.precision);
    const std::unique_ptr<Turns> turns = make_turns(work, *backend, world);
    if (world.rank() == 0) {
        turns->write(path);
    }
    turns->release_masters();
    answer(world, ready(*turns, world));
    while (true) {
        std::string command;
        if (world.rank() == 0) {
            std::getline(std::cin, command);
        }
        world.broadcast(command, 0);
        if (command.empty()) {
            return;
        }
        std::int64_t count = 0;
        LRD_CHECK(std::sscanf(command.c_str(), "turn %" SCNd64, &count) == 1 && count > 0,
                  "command {}", command);
        answer(world, taken(*turns, count, world, *backend));
    }
}

}  // namespace
}  // namespace lrd

int main(int argc, char** argv) {
    if (argc != 3) {
        fmt::print(stderr, "usage: step_server OUT.safetensors JSON\n");
        return static_cast<int>(lrd::ExitCode::usage);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
        const lrd::Work work(lrd::Json::parse(argv[2], "the description"));
        lrd::MpiSession session(argc, argv);
        lrd::log::set_rank(session.world().rank());
        lrd::serve(argv[1], work, session.world());
    } catch (const lrd::Error& error) {
        fmt::print(stderr, "step_server: {}\n", error.what());
        lrd::MpiSession::abort(error.code());
    }
    return 0;
}
