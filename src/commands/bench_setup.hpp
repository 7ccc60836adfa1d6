// SPDX-License-Identifier: MIT
// What `lrd bench` times: a random teacher and students of given sizes on random tokens.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/bench.hpp"
#include "commands/bench_teacher.hpp"
#include "core/random.hpp"
#include "train/trainer.hpp"

namespace lrd {

/// The size of that name, with positions for `context`; Error(usage) if there is none.
Gpt2Config bench_config(const std::string& name, std::int64_t context);

/// Uniform random tokens in windows that come again; the same sample is the same everywhere.
class RandomTokens : public BatchSource {
public:
    RandomTokens(std::int64_t vocabulary, std::int64_t context)
        : vocabulary_(vocabulary), context_(context) {}
    std::int64_t context() const override { return context_; }
    Batch sample(std::int64_t first, std::int64_t count) override;

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

/// Ready to step; o.rank has a student each.
struct BenchSetup {
    BenchSetup(const BenchOptions& o, Backend& backend, Communicator& world);

    /// FLOPs of a step over all ranks; each materialises for itself.
    double flops(int ranks) const;
    /// Median over o.steps steps, after one that warms up, of the slowest rank's seconds.
    double time_steps(Backend& backend, Communicator& world, std::int64_t steps);

    std::string kind;  // of teacher
    BatchShape shape;
    Gpt2Config config;
    Weights teacher_weights;
    Gpt2 teacher_model;
    std::optional<BenchTeacher> teacher;
    RandomTokens tokens;
    Students students;
    std::unique_ptr<Trainer> trainer;
};

}  // namespace lrd
