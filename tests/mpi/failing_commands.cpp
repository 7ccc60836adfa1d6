// SPDX-License-Identifier: MIT
// Commands that fail in the ways a rank can; main.cpp does not know the difference.
#include <signal.h>
#include <unistd.h>

#include <new>
#include <stdexcept>

#include "commands/command.hpp"
#include "commands/version.hpp"
#include "core/check.hpp"
#include "model/initialise.hpp"
#include "train/trainer.hpp"

namespace lrd {
namespace {

/// Tokens of which the last rank cannot read those of step 2.
class CutTokens : public BatchSource {
public:
    CutTokens(bool cut, std::int64_t of_a_step) : cut_(cut), of_a_step_(of_a_step), ids_(64, 3) {}
    std::int64_t context() const override { return 8; }
    Batch sample(std::int64_t first, std::int64_t count) override {
        if (cut_ && first >= of_a_step_) {
            fail(ExitCode::bad_data, "shard 3 is cut short");
        }
        const auto n = static_cast<std::size_t>(count * context());
        return {count, context(), {ids_.data(), n}, {ids_.data(), n}};
    }

private:
    bool cut_;
    std::int64_t of_a_step_;
    std::vector<std::int32_t> ids_;
};

/// Steps of training: the others wait in the reduction of step 2.
void step_twice(Communicator& world, bool reproducible) {
    const std::unique_ptr<Backend> backend = make_backend("cpu");
    StudentSettings settings;
    settings.name = settings.form = "dense";
    settings.loss.kd = settings.loss.clone = 0.0;
    Students students;
    students.push_back(std::make_unique<Student>(
        *backend, settings, Gpt2Config{1, 8, 2, 4, 16, 8, 11}, nullptr, BatchShape{1, 8}, 10));
    initialise({{&students.front()->weights, "random", 1}}, nullptr);
    TrainSettings train;
    train.global_batch = 2 * world.size();
    train.micro_batch = 1;
    CutTokens tokens(world.rank() == world.size() - 1, train.global_batch);
    Trainer trainer(*backend, world, train, tokens, nullptr, students, reproducible);
    trainer.step(1);
    trainer.step(2);
}

/// Set-up: the last rank fails while it holds memory that all ranks share.
void share_and_fail(Communicator& world) {
    const std::unique_ptr<Backend> backend = make_backend("cpu");
    const std::unique_ptr<NodeMemory> memory = world.node_memory(*backend);
    Arena arena(*memory, "shared");
    arena.region("weights", DType::f32, {1000});
    if (world.rank() == world.size() - 1) {
        fail(ExitCode::bad_data, "shard 3 is cut short");
    }
    memory->publish();
}

/// `fails` on the last rank (or on all), while the others wait for it.
Runnable failing(const std::string& how, bool everywhere) {
    return [how, everywhere](Communicator& world) {
        if (how == "step" || how == "tree") {
            step_twice(world, how == "tree");
        }
        if (how == "setup") {
            share_and_fail(world);
        }
        if (everywhere || world.rank() == world.size() - 1) {
            if (how == "error") {
                fail(ExitCode::bad_data, "shard 3 is cut short");
            }
            if (how == "memory") {
                throw std::bad_alloc();
            }
            if (how == "bug") {
                throw std::runtime_error("a bug");
            }
            if (how == "kill") {
                ::kill(getpid(), SIGKILL);
            }
        }
        world.barrier();
        return static_cast<int>(how == "stop" ? ExitCode::stopped : ExitCode::done);
    };
}

Runnable parse(const std::vector<std::string>& arguments) {
    if (arguments.empty()) {
        fail(ExitCode::usage, "say how to fail");
    }
    return failing(arguments.front(), arguments.size() > 1 && arguments[1] == "everywhere");
}

}  // namespace

std::string version_text() { return "test\n"; }

const std::vector<Command>& commands() {
    static const std::vector<Command> all = {
        {"fail", "HOW [everywhere]", "fails", [] { return std::string(); }, parse}};
    return all;
}

}  // namespace lrd
