// SPDX-License-Identifier: MIT
// What the reduction of gradients costs a step that overlaps it, against the same reduction when
// nothing else is done. Prints one line from rank 0; overlap.sh starts it.
#include <fmt/core.h>
#include <omp.h>

#include <algorithm>
#include <vector>

#include "core/log.hpp"
#include "model/initialise.hpp"
#include "train/trainer.hpp"

namespace lrd {
namespace {

constexpr Gpt2Config config{.L = 6, .C = 384, .H = 6, .D = 64, .F = 1536, .T = 64, .V = 2048};
constexpr std::int64_t steps = 24;

class SomeTokens : public BatchSource {
public:
    std::int64_t context() const override { return config.T; }
    Batch sample(std::int64_t first, std::int64_t count) override {
        ids_.resize(static_cast<std::size_t>(count * config.T));
        for (std::size_t i = 0; i < ids_.size(); ++i) {
            const auto at = first * config.T + static_cast<std::int64_t>(i);
            ids_[i] = static_cast<std::int32_t>(at * 7919 % config.V);
        }
        return {count, config.T, ids_, ids_};
    }

private:
    std::vector<std::int32_t> ids_;
};

/// The lower quartile: what else the machine does only adds.
double quartile(std::vector<double> seconds) {
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 4];
}

/// Of the rank that came last, and so waited for nobody.
double least(Communicator& world, double seconds) {
    double negative[] = {-seconds};
    world.all_reduce_max(negative);
    return -negative[0];
}

/// Step and plain reduction by turns, so that both see the same machine.
void measure(Communicator& world, const std::string& form) {
    const std::unique_ptr<Backend> backend = make_backend("cpu");
    StudentSettings settings;
    settings.name = settings.form = form;
    settings.rank = {96};
    settings.embedding_rank = form == "dense" ? 0 : 96;
    settings.loss.kd = settings.loss.clone = 0.0;
    Students students;
    students.push_back(std::make_unique<Student>(*backend, settings, config, nullptr,
                                                 BatchShape{2, config.T}, steps + 1));
    const Weights& weights = students.front()->weights;
    initialise({{&students.front()->weights, "random", 1}}, nullptr);
    TrainSettings train;
    train.global_batch = 4 * world.size();
    train.micro_batch = 2;
    SomeTokens tokens;
    Trainer trainer(*backend, world, train, tokens, nullptr, students);
    trainer.step(1);
    trainer.take_comm_exposed();
    std::vector<double> whole, exposed, waiting, plain;
    for (std::int64_t s = 2; s <= steps + 1; ++s) {
        trainer.phases().reset();
        world.barrier();
        const double start = log::now();
        trainer.step(s);
        whole.push_back(log::now() - start);
        exposed.push_back(least(world, trainer.take_comm_exposed()));
        constexpr auto reduce = static_cast<std::size_t>(Phase::reduce);
        waiting.push_back(least(world, trainer.phases().seconds()[reduce]));
        world.barrier();
        const double begin = log::now();
        world.start_all_reduce_sum(*backend, weights.to_reduce().flat);
        world.wait_all();
        plain.push_back(least(world, log::now() - begin));
    }
    if (world.rank() == 0) {
        fmt::print(
            "{:<9} {:5.1f} MiB  step {:7.2f} ms  in MPI {:6.2f} ms, of which waiting at the end "
            "{:6.2f} ms; plain reduction {:6.2f} ms\n",
            form, static_cast<double>(weights.to_reduce().flat.bytes()) / 1048576.0,
            1e3 * quartile(whole), 1e3 * quartile(exposed), 1e3 * quartile(waiting),
            1e3 * quartile(plain));
    }
}

}  // namespace
}  // namespace lrd

int main(int argc, char** argv) {
    lrd::MpiSession session(argc, argv);
    omp_set_num_threads(1);
    lrd::measure(session.world(), "dense");
    lrd::measure(session.world(), "factored");
    return 0;
}
