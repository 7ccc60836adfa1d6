// SPDX-License-Identifier: MIT
#include "commands/bench.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "commands/bench_teacher.hpp"
#include "commands/threads.hpp"
#include "core/check.hpp"
#include "core/random.hpp"
#include "io/json.hpp"
#include "model/costs.hpp"
#include "model/initialise.hpp"
#include "train/process.hpp"
#include "train/trainer.hpp"

namespace lrd {
namespace {

struct NamedConfig {
    const char* name;
    Gpt2Config config;  // L, C, H, D, F, T, V
};
const NamedConfig configs[] = {
    {"gpt2-small", {12, 768, 12, 64, 3072, 1024, 50257}},
    {"gpt2-medium", {24, 1024, 16, 64, 4096, 1024, 50257}},
    {"gpt2-large", {36, 1280, 20, 64, 5120, 1024, 50257}},
    {"gpt2-xl", {48, 1600, 25, 64, 6400, 1024, 50257}},
    {"tiny", {2, 64, 2, 32, 256, 1024, 512}},
};

/// Uniform random tokens in windows that come again; the same sample is the same everywhere.
class RandomTokens : public BatchSource {
public:
    RandomTokens(std::int64_t vocabulary, std::int64_t context)
        : vocabulary_(vocabulary), context_(context) {}
    std::int64_t context() const override { return context_; }
    Batch sample(std::int64_t first, std::int64_t count) override {
        const auto size = static_cast<std::size_t>(count * context_);
        ids_.resize(size);
        labels_.resize(size);
        windows_.resize(static_cast<std::size_t>(count));
        for (std::size_t i = 0; i < size; ++i) {
            const std::int64_t window =
                (first + static_cast<std::int64_t>(i) / context_) % bench_windows;
            windows_[i / static_cast<std::size_t>(context_)] = window;
            ids_[i] = token(window * context_ + static_cast<std::int64_t>(i) % context_);
            labels_[i] = token(window * context_ + static_cast<std::int64_t>(i) % context_ + 1);
        }
        return {count, context_, ids_, labels_, windows_};
    }

private:
    std::int32_t token(std::int64_t at) const {
        return static_cast<std::int32_t>(random_.uniform(static_cast<std::uint64_t>(at)) *
                                         static_cast<double>(vocabulary_));
    }

    std::int64_t vocabulary_, context_;
    Random random_{1, "bench tokens"};
    std::vector<std::int32_t> ids_, labels_;
    std::vector<std::int64_t> windows_;
};

Gpt2Config find_config(const std::string& name) {
    for (const NamedConfig& one : configs) {
        if (name == one.name) {
            return one.config;
        }
    }
    fail(ExitCode::usage, "--config {} is not one of {}", name, fmt::join(bench_configs(), ", "));
}

/// Seconds by op of one step in which every call is waited for, and of the step.
struct OpTimes {
    std::map<std::string, double> of;
    double step = 0.0;

    double share(std::initializer_list<const char*> ops) const {
        double sum = 0.0;
        for (const char* op : ops) {
            const auto at = of.find(op);
            sum += at != of.end() ? at->second : 0.0;
        }
        return sum / step;
    }
};

OpTimes time_ops(Backend& backend, Trainer& trainer, std::int64_t s) {
    OpTimes times;
    backend.set_profiling(true);
    backend.take_profile();
    const double start = log::now();
    trainer.step(s);
    times.step = log::now() - start;
    backend.set_profiling(false);
    times.of = backend.take_profile();
    return times;
}

Json ops_json(const OpTimes& times) {
    std::vector<std::pair<std::string, double>> ops(times.of.begin(), times.of.end());
    std::sort(ops.begin(), ops.end(),
              [](const auto& a, const auto& b) { return a.second > b.second; });
    Json json = Json::object();
    for (const auto& [op, seconds] : ops) {
        json[op] = seconds;
    }
    return json;
}

}  // namespace

std::vector<std::string> bench_configs() {
    std::vector<std::string> names;
    for (const NamedConfig& one : configs) {
        names.emplace_back(one.name);
    }
    return names;
}

namespace {

/// Random teacher and students of the sizes asked for, ready to step.
struct Setup {
    Setup(const BenchOptions& o, Backend& backend, Communicator& world, Gpt2Config config)
        : kind(o.teacher),
          shape{o.micro_batch, o.context},
          teacher_weights(backend, "teacher", dense_architecture(config), Use::inference),
          teacher_model(teacher_weights, "teacher", shape, true),
          tokens(config.V, o.context) {
        initialise({{&teacher_weights, "random", 1}}, nullptr);
        teacher_weights.materialise();
        const LossSettings loss;
        teacher.emplace(o.teacher, teacher_model, shape, loss.clone != 0.0, loss.tau);
        std::vector<Initialisation> first_values;
        for (const std::int64_t rank : o.rank) {
            StudentSettings s;
            s.name = fmt::format("{}-r{}", o.form, rank);
            s.form = o.form;
            s.rank = {rank};
            s.embedding_rank = o.form == "dense" ? 0 : rank;
            students.push_back(std::make_unique<Student>(backend, s, config, teacher->get(), shape,
                                                         o.steps + 2, o.recompute));
            first_values.push_back({&students.back()->weights, "random", 1});
        }
        initialise(first_values, nullptr);
        teacher_weights.release_masters();
        TrainSettings train;
        train.global_batch = o.micro_batch * world.size();
        train.micro_batch = o.micro_batch;
        trainer =
            std::make_unique<Trainer>(backend, world, train, tokens, teacher->get(), students);
    }

    /// FLOPs of a step over all ranks; each materialises for itself.
    double flops(int ranks) const {
        std::vector<const Architecture*> architectures;
        double again = 0.0;
        for (const auto& student : students) {
            architectures.push_back(&student->weights.architecture());
            again += forms_cost(*architectures.back()).flops;
        }
        const Architecture& whole = teacher_weights.architecture();
        double saved = 0.0;  // by what is read
        if (kind != "online") {
            saved += blocks_forward_cost(whole, shape.rows(), shape.T).flops();
        }
        if (kind == "topk") {
            saved += head_forward_cost(whole, shape.rows()).flops();
        }
        return again * (ranks - 1) - saved * ranks +
               step_cost(architectures, &whole, ranks, shape.rows(), shape.T).flops();
    }

    std::string kind;  // of teacher
    BatchShape shape;
    Weights teacher_weights;
    Gpt2 teacher_model;
    std::optional<BenchTeacher> teacher;
    RandomTokens tokens;
    Students students;
    std::unique_ptr<Trainer> trainer;
};

/// Median over steps 2, 3, … of the slowest rank's seconds; step 1 builds primitives and touches
/// pages.
double time_steps(Setup& setup, Backend& backend, Communicator& world, std::int64_t steps) {
    setup.trainer->step(1);
    setup.trainer->phases().reset();
    setup.teacher->take_read_seconds();
    setup.trainer->phases().set_wait(true);
    std::vector<double> seconds;
    for (std::int64_t s = 2; s < 2 + steps; ++s) {
        const double start = log::now();
        setup.trainer->step(s);
        backend.synchronize();
        double time[] = {log::now() - start};
        world.all_reduce_max(time);
        seconds.push_back(time[0]);
    }
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
}

void print_table(const Json& json) {
    for (const auto& [key, value] : json.as_object()) {
        if (!value.is_object()) {
            fmt::print("{:<18} {}\n", key, value.is_string() ? value.as_string() : value.dump());
        }
    }
    for (const char* group : {"phases", "ops"}) {
        fmt::print("{}\n", group);
        for (const auto& [key, value] : json.at(group).as_object()) {
            fmt::print("  {:<24} {:.4f} s\n", key, value.as_double());
        }
    }
}

}  // namespace

int bench(const BenchOptions& o, Communicator& world) {
    const std::int64_t threads = set_threads(o.threads, world);
    const std::unique_ptr<Backend> backend = make_backend(o.device, o.precision);
    Gpt2Config config = find_config(o.config);
    config.T = std::max(config.T, o.context);
    log::info("bench: {} teacher and {} student(s), {} rank(s) × {} thread(s); building …",
              o.config, o.rank.size(), world.size(), threads);
    Setup setup(o, *backend, world, config);
    const double median = time_steps(setup, *backend, world, o.steps);
    Json phases = Json::object();
    for (std::size_t i = 0; i < phase_names.size(); ++i) {
        phases[phase_names[i]] =
            setup.trainer->phases().seconds()[i] / static_cast<double>(o.steps);
    }
    // Of the time of the steps; a part of the phase "teacher".
    const double read_share =
        setup.teacher->take_read_seconds() / (median * static_cast<double>(o.steps));
    const OpTimes ops = time_ops(*backend, *setup.trainer, o.steps + 2);
    if (world.rank() != 0) {
        return static_cast<int>(ExitCode::done);
    }
    const double flops = setup.flops(world.size());
    const Json json = Json::object(
        {{"config", o.config},
         {"form", o.form},
         {"rank", Json(o.rank)},
         {"micro_batch", o.micro_batch},
         {"context", o.context},
         {"teacher", o.teacher},
         {"precision", o.precision},
         {"recompute", o.recompute},
         {"device", backend->name()},
         {"ranks", world.size()},
         {"threads", threads},
         {"steps", o.steps},
         {"seconds_per_step", median},
         {"tokens_per_s", static_cast<double>(setup.trainer->tokens_per_step()) / median},
         {"gflop_per_step", flops / 1e9},
         {"gflop_per_s", flops / median / 1e9},
         {"gemm_fraction", ops.share({"matmul", "grouped_matmul"})},
         {"read_fraction", read_share},
         {"peak_rss_bytes", peak_memory()},
         {"phases", phases},
         {"ops", ops_json(ops)}});
    if (o.json) {
        fmt::print("{}\n", json.dump(2));
    } else {
        print_table(json);
    }
    return static_cast<int>(ExitCode::done);
}

}  // namespace lrd
