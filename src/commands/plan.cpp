// SPDX-License-Identifier: MIT
#include "commands/plan.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "comm/silent_world.hpp"
#include "commands/plan_report.hpp"
#include "commands/threads.hpp"
#include "core/check.hpp"
#include "io/publish.hpp"
#include "train/process.hpp"
#include "train/run.hpp"

namespace lrd {
namespace {

/// Data sheets: "NVIDIA A100 Tensor Core GPU" (2021) and "NVIDIA H100 Tensor Core GPU" (2023), SXM,
/// dense; bf16 on tensor cores, fp32 without them.
constexpr Accelerator table[] = {
    {"a100", 40e9, 19.5e12, 312e12},
    {"a100-80gb", 80e9, 19.5e12, 312e12},
    {"h100", 80e9, 67e12, 989e12},
};

const Accelerator* find_accelerator(const std::string& name) {
    const auto* found = std::find_if(std::begin(table), std::end(table),
                                     [&](const Accelerator& one) { return name == one.name; });
    return found == std::end(table) ? nullptr : found;
}

/// Seconds of a step and of an evaluation, from steps of the same sizes on this machine: their
/// phases are those of each micro-batch, and those of each step. Values are all zero, which costs
/// the same.
PlanTime measured(Config config, const Budget& budget, const std::string& device,
                  Communicator& world) {
    constexpr int steps = 3;
    config.train.global_batch = config.train.micro_batch * world.size();
    config.teacher.cache = "none";  // the first epoch, in which nothing is cached yet
    const std::unique_ptr<Backend> backend = make_backend(device, config.run.precision);
    const std::unique_ptr<Run> run = Run::blank(config, *backend, world);
    Trainer& trainer = run->trainer();
    trainer.assume_tap_variance();
    trainer.step(1);  // builds primitives and touches pages
    trainer.phases().reset();
    trainer.phases().set_wait(true);
    for (int s = 2; s < 2 + steps; ++s) {
        trainer.step(s);
    }
    double each[] = {0.0, 0.0};  // a micro-batch, a step besides
    for (std::size_t i = 0; i < phase_names.size(); ++i) {
        const auto phase = static_cast<Phase>(i);
        const bool again = phase == Phase::teacher || phase == Phase::forward ||
                           phase == Phase::losses || phase == Phase::backward;
        each[again ? 0 : 1] += trainer.phases().seconds()[i] / steps;
    }
    world.all_reduce_max(each);
    const Share share =
        share_of(budget.global_batch / budget.micro_batch, 0, static_cast<int>(budget.ranks));
    PlanTime time;
    time.step = each[0] * static_cast<double>(share.last - share.first) + each[1];
    time.rate = budget.flops_of_busiest() / time.step;
    time.evaluation = budget.flops_of_evaluation() / time.rate;
    return time;
}

PlanTime at_rate(const Budget& budget, double rate) {
    return {rate, budget.flops_of_busiest() / rate, budget.flops_of_evaluation() / rate};
}

}  // namespace

std::vector<std::string> accelerators() {
    std::vector<std::string> names{""};
    for (const Accelerator& one : table) {
        names.emplace_back(one.name);
    }
    return names;
}

int plan(const PlanOptions& o, const Config& config, Communicator& world) {
    if (o.rate > 0.0 && o.measure) {
        fail(ExitCode::usage, "--rate and --measure exclude each other");
    }
    const std::int64_t threads = set_threads(config.run.threads, world, config.run.pin);
    const std::int64_t ranks = o.ranks > 0 ? o.ranks : world.size();
    const std::int64_t ranks_of_node = (ranks + o.nodes - 1) / o.nodes;
    SilentWorld planned(static_cast<int>(ranks), static_cast<int>(ranks_of_node));
    const std::unique_ptr<Backend> counting = make_counting_backend(config.run.precision);
    Plan p;
    p.budget = Run::blank(config, *counting, planned)->budget();
    p.threads = threads;
    p.ranks_of_node = ranks_of_node;
    p.process = static_cast<std::int64_t>(peak_memory());
    p.node_memory = static_cast<std::int64_t>(node_memory());
    p.free_disk = static_cast<std::int64_t>(free_bytes(config.run.out));
    p.accelerator = find_accelerator(o.accelerator);
    if (o.rate > 0.0) {
        p.time = at_rate(p.budget, o.rate * 1e9);
    } else if (o.measure) {
        p.time = measured(config, p.budget, config.run.device, world);
    }
    if (world.rank() == 0) {
        o.json ? fmt::print("{}\n", plan_json(p).dump(2)) : print_plan(p);
    }
    return static_cast<int>(ExitCode::done);
}

}  // namespace lrd
