// SPDX-License-Identifier: MIT
// Teacher, students and trainers of step_server, from one JSON object.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/json.hpp"
#include "train/cached_teacher.hpp"
#include "train/trainer.hpp"

namespace lrd {

/// What is stepped. Read from {"L", "C", "H", "D", "F", "T", "V", "micro_batch", …}, all there.
struct StepOptions {
    explicit StepOptions(const Json& json);

    Gpt2Config config;
    std::int64_t micro_batch, global_batch;  // sequences; the latter over all ranks
    std::int64_t windows;                    // different ones, that come again
    std::string form;                        // lifted | factored | dense
    std::vector<std::int64_t> ranks;         // a student each; dense: how many there are
    std::string teacher;                     // online | cached | topk | none (LM loss alone)
    std::int64_t topk;
    bool separate;  // each student a run of its own, with its own teacher pass
    std::string precision;
    std::int64_t threads;
    std::string folder;  // for the teacher's cache
};

/// Random windows of T + 1 tokens that share none, so that a file of them is all there is to know.
class WindowTokens : public BatchSource {
public:
    WindowTokens(std::int64_t windows, std::int64_t context, std::int64_t vocabulary);
    std::int64_t context() const override { return context_; }
    Batch sample(std::int64_t first, std::int64_t count) override;
    const std::vector<std::int32_t>& all() const { return tokens_; }  ///< (windows, T + 1)

private:
    std::int64_t count_, context_;
    std::vector<std::int32_t> tokens_, ids_, labels_;
    std::vector<std::int64_t> windows_;
};

class StepSetup {
public:
    StepSetup(const StepOptions& options, Backend& backend, Communicator& world);

    /// One update of every student: a report each.
    std::vector<StudentReport> step();
    /// Everything that is trained or read, and the tokens: teacher/NAME, student/K/NAME, tokens.
    void write(const std::string& path) const;
    /// As a run does after its start; nothing can be written from here on.
    void release_masters();
    /// FLOPs of a step over all ranks, as `lrd bench` counts them.
    double flops(int world_size) const;
    std::int64_t tokens_per_step() const { return options_.global_batch * options_.config.T; }
    double fill_seconds() const { return fill_seconds_; }  ///< of the cache, per window

private:
    void make_teacher();
    void fill(CachedTeacher& teacher);
    void make_students(Communicator& world);

    StepOptions options_;
    Backend& backend_;
    BatchShape shape_;
    WindowTokens tokens_;
    std::optional<Weights> teacher_weights_;
    std::optional<Gpt2> teacher_model_;
    std::unique_ptr<Teacher> teacher_;
    double fill_seconds_ = 0.0;
    std::vector<Students> runs_;  // that have nothing in common but the teacher's weights
    std::vector<std::unique_ptr<Trainer>> trainers_;
    std::int64_t steps_ = 0;
};

}  // namespace lrd
