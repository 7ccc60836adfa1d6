// SPDX-License-Identifier: MIT
#include "commands/plan_report.hpp"

#include <fmt/core.h>

namespace lrd {
namespace {

double d(std::int64_t x) { return static_cast<double>(x); }

Json models_json(const Budget& b) {
    Json all = Json::array();
    for (const ModelSize& model : b.models) {
        Json parts = Json::object();
        for (const auto& [part, count] : model.parts) {
            parts[part] = count;
        }
        all.push(Json::object(
            {{"name", model.name}, {"parameters", model.parameters}, {"parts", parts}}));
    }
    return all;
}

Json memory_json(const Plan& p) {
    Json regions = Json::object();
    for (const Budget::Region& region : p.budget.memory) {
        regions[region.name] = region.bytes;
    }
    const std::int64_t rank = p.process + p.budget.memory_peak();
    const std::int64_t shared = p.budget.memory_shared();
    const std::int64_t node = (rank - shared) * p.ranks_of_node + shared;
    return Json::object({{"regions", regions},
                         {"together", p.budget.memory_sum()},
                         {"first_values", p.budget.first_values},
                         {"saving", p.budget.saving},
                         {"peak", p.budget.memory_peak()},
                         {"process", p.process},
                         {"rank", rank},
                         {"shared", shared},
                         {"ranks_of_node", p.ranks_of_node},
                         {"node", node},
                         {"node_has", p.node_memory},
                         {"fits", node <= p.node_memory}});
}

Json work_json(const Budget& b) {
    Json per_token = Json::object();
    Json per_step = Json::object();
    for (const Budget::Work& one : b.work) {
        Json& to = one.per_step > 0.0 ? per_step : per_token;
        if (one.per_token + one.per_step > 0.0) {
            to[one.name] = one.per_token + one.per_step;
        }
    }
    return Json::object({{"per_token", per_token},
                         {"per_step_and_rank", per_step},
                         {"token", b.flops_per_token()},
                         {"step", b.flops_per_step()},
                         {"run", b.flops_of_run()}});
}

Json steps_json(const Budget& b) {
    return Json::object({{"steps", b.steps},
                         {"ranks", b.ranks},
                         {"tokens_per_step", b.tokens_per_step()},
                         {"tokens", b.steps * b.tokens_per_step()},
                         {"windows", b.windows},
                         {"epochs", d(b.steps * b.global_batch) / d(b.windows)},
                         {"cached_steps", b.cached_steps},
                         {"evaluations", b.evaluations},
                         {"evaluation_tokens", b.evaluation_targets}});
}

Json disk_json(const Plan& p) {
    const Budget& b = p.budget;
    // A checkpoint and a best model are whole before an old one goes.
    const std::int64_t most = b.checkpoint * (b.checkpoints + 1) + 2 * b.best + b.cache;
    return Json::object({{"checkpoint", b.checkpoint},
                         {"checkpoints", b.checkpoints},
                         {"best", b.best},
                         {"end", b.checkpoint * b.checkpoints + b.best},
                         {"most", most},
                         {"cache", b.cache},
                         {"free", p.free_disk},
                         {"fits", most <= p.free_disk}});
}

Json time_json(const Plan& p) {
    if (p.time.rate <= 0.0) {
        return {};
    }
    const Budget& b = p.budget;
    return Json::object({{"gflop_per_s_and_rank", p.time.rate / 1e9},
                         {"step_s", p.time.step},
                         {"evaluation_s", p.time.evaluation},
                         {"run_s", p.time.step * d(b.steps) + p.time.evaluation * d(b.evaluations) -
                                       b.flops_saved_busiest() / p.time.rate},
                         {"tokens_per_s", d(b.tokens_per_step()) / p.time.step}});
}

/// One rank to a device; the time is what its data sheet allows, so a bound from below.
Json accelerator_json(const Plan& p) {
    if (p.accelerator == nullptr) {
        return {};
    }
    const Budget& b = p.budget;
    const double run = b.flops_of_busiest() * d(b.steps) - b.flops_saved_busiest();
    return Json::object({{"name", p.accelerator->name},
                         {"memory", p.accelerator->memory},
                         {"needs", b.memory_sum()},
                         {"fits", d(b.memory_sum()) <= p.accelerator->memory},
                         {"run_s_at_peak_fp32", run / p.accelerator->fp32},
                         {"run_s_at_peak_bf16", run / p.accelerator->bf16}});
}

// ---- as text

std::string mib(const Json& bytes) {
    return fmt::format("{:>11.1f} MiB", bytes.as_double() / 1048576.0);
}

std::string duration(const Json& seconds) {
    const double s = seconds.as_double();
    return s < 120.0    ? fmt::format("{:.3g} s", s)
           : s < 7200.0 ? fmt::format("{:.3g} min", s / 60.0)
                        : fmt::format("{:.4g} h", s / 3600.0);
}

void line(const std::string& name, const std::string& value) {
    fmt::print("  {:<34} {}\n", name, value);
}

void print_models(const Json& models) {
    fmt::print("parameters\n");
    for (const Json& model : models.as_array()) {
        std::string parts;
        for (const auto& [part, count] : model.at("parts").as_object()) {
            parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", part, count.as_int());
        }
        line(model.at("name").as_string(),
             fmt::format("{:>11} = {}", model.at("parameters").as_int(), parts));
    }
}

void print_memory(const Json& m) {
    fmt::print("memory of a rank\n");
    for (const auto& [name, bytes] : m.at("regions").as_object()) {
        line(name, mib(bytes));
    }
    line("together", mib(m.at("together")));
    line("host, while a checkpoint is written", mib(m.at("saving")));
    line("host, while first values are made", mib(m.at("first_values")));
    line("program, MPI and libraries", mib(m.at("process")));
    line("at most", mib(m.at("rank")));
    line(fmt::format("{} rank(s) of a node", m.at("ranks_of_node").as_int()), mib(m.at("node")));
    line("this node has", mib(m.at("node_has")));
}

void print_work(const Json& work) {
    fmt::print("work, forward and backward\n");
    for (const auto& [name, flops] : work.at("per_token").as_object()) {
        line(name, fmt::format("{:>11.2f} MFLOP per token", flops.as_double() / 1e6));
    }
    for (const auto& [name, flops] : work.at("per_step_and_rank").as_object()) {
        line(name, fmt::format("{:>11.2f} GFLOP per step and rank", flops.as_double() / 1e9));
    }
    line("a step", fmt::format("{:>11.2f} GFLOP", work.at("step").as_double() / 1e9));
    line("the run", fmt::format("{:>11.4g} TFLOP", work.at("run").as_double() / 1e12));
}

void print_steps(const Json& s) {
    fmt::print("steps\n");
    line("steps", fmt::format("{:>11}", s.at("steps").as_int()));
    line("tokens", fmt::format("{:>11} = {} per step", s.at("tokens").as_int(),
                               s.at("tokens_per_step").as_int()));
    line("epochs", fmt::format("{:>11.2f} of {} windows", s.at("epochs").as_double(),
                               s.at("windows").as_int()));
    if (s.at("cached_steps").as_double() > 0.0) {
        line("steps that read the teacher's cache",
             fmt::format("{:>11.0f}, if it is empty at first", s.at("cached_steps").as_double()));
    }
    line("evaluations", fmt::format("{:>11} of {} tokens", s.at("evaluations").as_int(),
                                    s.at("evaluation_tokens").as_int()));
}

void print_disk(const Json& disk) {
    fmt::print("disk\n");
    line("a checkpoint", mib(disk.at("checkpoint")));
    line(fmt::format("{} checkpoints and the best models", disk.at("checkpoints").as_int()),
         mib(disk.at("end")));
    if (disk.at("cache").as_int() > 0) {
        line("the teacher's cache, in its folder", mib(disk.at("cache")));
    }
    line("at most, while one is replaced", mib(disk.at("most")));
    line("free", mib(disk.at("free")));
}

void print_time(const Json& time) {
    if (time.is_null()) {
        fmt::print("time\n  give --rate GFLOP/s of a rank, or --measure it here\n");
        return;
    }
    fmt::print("time, at {:.1f} GFLOP/s of a rank\n", time.at("gflop_per_s_and_rank").as_double());
    line("a step", duration(time.at("step_s")));
    line("an evaluation", duration(time.at("evaluation_s")));
    line("the run", fmt::format("{}, {:.0f} tokens/s", duration(time.at("run_s")),
                                time.at("tokens_per_s").as_double()));
}

void print_fit(const Json& part, const std::string& what, const char* remedy) {
    const bool fits = part.at("fits").as_bool();
    fmt::print("{}: {}\n", fits ? "fits" : "DOES NOT FIT", fits ? what : what + "; " + remedy);
}

}  // namespace

Json plan_json(const Plan& p) {
    return Json::object({{"models", models_json(p.budget)},
                         {"memory", memory_json(p)},
                         {"flops", work_json(p.budget)},
                         {"schedule", steps_json(p.budget)},
                         {"disk", disk_json(p)},
                         {"time", time_json(p)},
                         {"accelerator", accelerator_json(p)}});
}

void print_plan(const Plan& p) {
    const Json json = plan_json(p);
    print_models(json.at("models"));
    print_memory(json.at("memory"));
    print_work(json.at("flops"));
    print_steps(json.at("schedule"));
    print_disk(json.at("disk"));
    if (!p.budget.cache_sizes.empty()) {
        line("a teacher's cache takes", p.budget.cache_sizes);
    }
    print_time(json.at("time"));
    const Json& device = json.at("accelerator");
    if (!device.is_null()) {
        fmt::print("{}, a rank each\n", p.accelerator->name);
        line("memory", mib(device.at("memory")));
        line("the run, at its peak in fp32",
             "at least " + duration(device.at("run_s_at_peak_fp32")));
        line("… and in bf16", "at least " + duration(device.at("run_s_at_peak_bf16")));
        print_fit(device, fmt::format("the memory of an {}", p.accelerator->name),
                  "set train.recompute, lower train.micro_batch or train fewer students");
    }
    print_fit(
        json.at("memory"), "the memory of this node",
        "set train.recompute, lower train.micro_batch, train fewer students or start fewer ranks "
        "per node");
    print_fit(json.at("disk"), "the disk", "lower train.keep, or choose another --out");
}

}  // namespace lrd
