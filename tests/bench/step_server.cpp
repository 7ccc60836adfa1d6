// SPDX-License-Identifier: MIT
// step_server OUT.safetensors '{"L": 12, …}': one side of against_pytorch.py. Builds teacher and
// students of the description (step_setup.hpp), writes their weights and the tokens for the other
// side, and then steps when it is told to. Commands on the standard input of rank 0:
//     step    one optimiser step of all students -> {"seconds", "kd", "lm", "clone", "grad_norm",
//             "peak_rss"}, a value per student in the lists
// Ends with its input, or with the process that started it: stopped it could do nothing else.
#include <fmt/core.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <iostream>

#include "commands/threads.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "step_setup.hpp"
#include "train/process.hpp"

namespace lrd {
namespace {

/// One number of each rank.
std::vector<double> of_ranks(Communicator& world, double mine) {
    std::vector<double> all(static_cast<std::size_t>(world.size()), 0.0);
    all[static_cast<std::size_t>(world.rank())] = mine;
    world.all_reduce_sum(all);
    return all;
}

Json ready(const StepSetup& setup, Communicator& world, Backend& backend) {
    Json pids = Json::array();
    for (const double pid : of_ranks(world, getpid())) {
        pids.push(static_cast<std::int64_t>(pid));
    }
    // As large as the model's own: what rates are fractions of.
    const double rate = product_rate(backend, 2048, 3072, 768, 6) / 1e9;
    double all_ranks[] = {rate};
    world.all_reduce_sum(all_ranks);
    return Json::object({{"pids", pids},
                         {"tokens_per_step", setup.tokens_per_step()},
                         {"gflop_per_step", setup.flops(world.size()) / 1e9},
                         {"product_gflop_per_s", all_ranks[0]},
                         {"fill_seconds_per_window", setup.fill_seconds()}});
}

Json stepped(StepSetup& setup, Communicator& world) {
    world.barrier();
    const double start = log::now();
    const std::vector<StudentReport> reports = setup.step();
    double seconds[] = {log::now() - start};
    world.all_reduce_max(seconds);
    double peak[] = {static_cast<double>(peak_memory())};
    world.all_reduce_sum(peak);
    Json kd = Json::array(), lm = Json::array(), clone = Json::array(), norm = Json::array();
    for (const StudentReport& report : reports) {
        kd.push(report.terms.kd);
        lm.push(report.terms.lm);
        clone.push(report.terms.clone);
        norm.push(report.grad_norm);
    }
    return Json::object({{"seconds", seconds[0]},
                         {"kd", kd},
                         {"lm", lm},
                         {"clone", clone},
                         {"grad_norm", norm},
                         {"peak_rss", peak[0]}});
}

void answer(Communicator& world, const Json& json) {
    if (world.rank() == 0) {
        fmt::print("{}\n", json.dump());
        std::fflush(stdout);
    }
}

void serve(const std::string& path, const StepOptions& options, Communicator& world) {
    set_threads(options.threads, world);
    const std::unique_ptr<Backend> backend = make_backend("cpu", options.precision);
    StepSetup setup(options, *backend, world);
    if (world.rank() == 0) {
        setup.write(path);
    }
    setup.release_masters();
    answer(world, ready(setup, world, *backend));
    while (true) {
        std::string command;
        if (world.rank() == 0) {
            std::getline(std::cin, command);
        }
        world.broadcast(command, 0);
        if (command.empty()) {
            return;
        }
        LRD_CHECK(command == "step", "command {}", command);
        answer(world, stepped(setup, world));
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
        const lrd::StepOptions options(lrd::Json::parse(argv[2], "the description"));
        lrd::MpiSession session(argc, argv);
        lrd::log::set_rank(session.world().rank());
        lrd::serve(argv[1], options, session.world());
    } catch (const lrd::Error& error) {
        fmt::print(stderr, "step_server: {}\n", error.what());
        lrd::MpiSession::abort(error.code());
    }
    return 0;
}
