// SPDX-License-Identifier: MIT
#include "commands/bench_setup.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/check.hpp"
#include "core/log.hpp"
#include "model/costs.hpp"
#include "model/initialise.hpp"

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

}  // namespace

std::vector<std::string> bench_configs() {
    std::vector<std::string> names;
    for (const NamedConfig& one : configs) {
        names.emplace_back(one.name);
    }
    return names;
}

Gpt2Config bench_config(const std::string& name, std::int64_t context) {
    for (const NamedConfig& one : configs) {
        if (name == one.name) {
            Gpt2Config config = one.config;
            config.T = std::max(config.T, context);
            return config;
        }
    }
    fail(ExitCode::usage, "--config {} is not one of {}", name, fmt::join(bench_configs(), ", "));
}

Batch RandomTokens::sample(std::int64_t first, std::int64_t count) {
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

BenchSetup::BenchSetup(const BenchOptions& o, Backend& backend, Communicator& world)
    : kind(o.teacher),
      shape{o.micro_batch, o.context},
      config(bench_config(o.config, o.context)),
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
                                                     2 * o.steps + 2, o.recompute));
        first_values.push_back({&students.back()->weights, "random", 1});
    }
    initialise(first_values, nullptr);
    teacher_weights.release_masters();
    TrainSettings train;
    train.global_batch = o.micro_batch * world.size();
    train.micro_batch = o.micro_batch;
    trainer = std::make_unique<Trainer>(backend, world, train, tokens, teacher->get(), students);
}

double BenchSetup::flops(int ranks) const {
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

double BenchSetup::time_steps(Backend& backend, Communicator& world, std::int64_t steps) {
    trainer->step(1);  // builds primitives and touches pages
    trainer->phases().reset();
    teacher->take_read_seconds();
    trainer->phases().set_wait(true);
    std::vector<double> seconds;
    for (std::int64_t s = 2; s < 2 + steps; ++s) {
        const double start = log::now();
        trainer->step(s);
        backend.synchronize();
        double time[] = {log::now() - start};
        world.all_reduce_max(time);
        seconds.push_back(time[0]);
    }
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
}

}  // namespace lrd
