// SPDX-License-Identifier: MIT
#include "commands/bench.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "commands/bench_setup.hpp"
#include "commands/bench_sweep.hpp"
#include "commands/threads.hpp"
#include "commands/version.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "io/publish.hpp"
#include "train/process.hpp"
#include "train/step_profile.hpp"

namespace lrd {
namespace {

/// Further steps, in which every op is written down: one, or as many as were timed for a trace.
StepProfile::Report profile_steps(const BenchOptions& o, BenchSetup& setup, Backend& backend,
                                  Communicator& world) {
    StepProfile profile(*setup.trainer, backend, world);
    const std::int64_t count = o.profile.empty() ? 1 : o.steps;
    for (std::int64_t s = o.steps + 2; s < o.steps + 2 + count; ++s) {
        profile.begin_step();
        setup.trainer->step(s);
        profile.end_step(s);
    }
    StepProfile::Report report = profile.report();
    if (!o.profile.empty()) {
        profile.write(o.profile, report, Json::object({{"code_version", code_version()}}));
    }
    return report;
}

double share_of_products(const StepProfile::Report& report) {
    double sum = 0.0;
    for (const OpRow& row : report.ops) {
        sum += row.op == "matmul" || row.op == "grouped_matmul" ? row.seconds : 0.0;
    }
    return sum / report.seconds;
}

Json options_json(const BenchOptions& o, const Backend& backend, int ranks, std::int64_t threads) {
    return Json::object({{"config", o.config},
                         {"form", o.form},
                         {"rank", Json(o.rank)},
                         {"micro_batch", o.micro_batch},
                         {"context", o.context},
                         {"teacher", o.teacher},
                         {"precision", backend.precision()},
                         {"device", backend.name()},
                         {"ranks", ranks},
                         {"threads", threads},
                         {"recompute", o.recompute},
                         {"steps", o.steps}});
}

void print_values(const Json& json) {
    for (const auto& [key, value] : json.as_object()) {
        if (!value.is_object()) {
            fmt::print("{:<18} {}\n", key, value.is_string() ? value.as_string() : value.dump());
        }
    }
}

void print_report(const Json& json, const StepProfile::Report& report) {
    print_values(json);
    fmt::print("phases\n");
    for (const auto& [key, value] : json.at("phases").as_object()) {
        fmt::print("  {:<24} {:.4f} s\n", key, value.as_double());
    }
    fmt::print("ops of {} step(s)\n", report.steps.size());
    for (const std::string& line : ops_text(report.ops, report.rates, report.seconds)) {
        fmt::print("  {}\n", line);
    }
}

/// What a step takes, and where it goes.
void bench_one(const BenchOptions& o, Json json, Backend& backend, Communicator& world) {
    BenchSetup setup(o, backend, world);
    const double median = setup.time_steps(backend, world, o.steps);
    Json phases = Json::object();
    for (std::size_t i = 0; i < phase_names.size(); ++i) {
        phases[phase_names[i]] =
            setup.trainer->phases().seconds()[i] / static_cast<double>(o.steps);
    }
    // Of the time of the steps; a part of the phase "teacher".
    const double read_share =
        setup.teacher->take_read_seconds() / (median * static_cast<double>(o.steps));
    const StepProfile::Report report = profile_steps(o, setup, backend, world);
    if (world.rank() != 0) {
        return;
    }
    const double flops = setup.flops(world.size());
    for (auto& [key, value] : Json::Object{
             {"seconds_per_step", median},
             {"tokens_per_s", static_cast<double>(setup.trainer->tokens_per_step()) / median},
             {"gflop_per_step", flops / 1e9},
             {"gflop_per_s", flops / median / 1e9},
             {"gemm_fraction", share_of_products(report)},
             {"read_fraction", read_share},
             {"peak_rss_bytes", peak_memory()},
             {"product_gflop_per_s", report.rates.product / 1e9},
             {"copy_gb_per_s", report.rates.copy / 1e9},
             {"phases", phases},
             {"ops", ops_json(report.ops)}}) {
        json[key] = std::move(value);
    }
    o.json ? fmt::print("{}\n", json.dump(2)) : print_report(json, report);
}

}  // namespace

int bench(const BenchOptions& o, Communicator& world) {
    if (o.sweep && !o.profile.empty()) {
        fail(ExitCode::usage, "--sweep and --profile exclude each other");
    }
    if (world.rank() == 0 && !o.profile.empty()) {
        require_publishable(o.profile);
    }
    const std::int64_t threads = set_threads(o.threads, world);
    const std::unique_ptr<Backend> backend = make_backend(o.device, o.precision);
    log::info("bench: {} teacher and {} student(s), {} rank(s) × {} thread(s); building …",
              o.config, o.rank.size(), world.size(), threads);
    Json json = options_json(o, *backend, world.size(), threads);
    if (!o.sweep) {
        bench_one(o, std::move(json), *backend, world);
        return static_cast<int>(ExitCode::done);
    }
    const Json tables = bench_sweep(o, *backend, world);
    if (world.rank() == 0 && o.json) {
        json["sweep"] = tables;
        fmt::print("{}\n", json.dump(2));
    } else if (world.rank() == 0) {
        print_values(json);
        print_sweep(tables);
    }
    return static_cast<int>(ExitCode::done);
}

}  // namespace lrd
