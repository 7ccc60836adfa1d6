// SPDX-License-Identifier: MIT
// Passes over held-out tokens without gradients.
#pragma once

#include <optional>
#include <vector>

#include "comm/communicator.hpp"
#include "data/eval_windows.hpp"
#include "loss/head_pass.hpp"
#include "train/trainer.hpp"

namespace lrd {

/// Sums over scored tokens.
struct EvalSums {
    double tokens = 0.0;
    double nll = 0.0;           // nats
    double top1 = 0.0;          // targets that the model ranks first
    double top5 = 0.0;          // … among the first five
    double teacher_top1 = 0.0;  // tokens where model and teacher rank the same first
    double teacher_kl = 0.0;    // KL(teacher ‖ model) at τ = 1, nats
};

/// Scores `model`, and against `teacher` if there is one (nullptr: none), on tokens of any split.
class Evaluator {
public:
    /// Both must outlive this; batches of windows fit `capacity`.
    Evaluator(Communicator& world, Gpt2& model, Gpt2* teacher, BatchShape capacity);

    struct Result {
        EvalSums sums;                     // on every rank
        std::vector<double> document_nll;  // on rank 0, if documents were given
    };
    /// Every target of `windows`, whose batches are shared out over the ranks. Terms are added
    /// window by window in their order, so that the figures are those of one rank, bit for bit.
    /// Error(bad_data) that names window and token where a figure is not finite.
    Result run(EvalWindows& windows, const DocumentTable* documents = nullptr);

private:
    void score(const EvalBatch& batch);
    EvalSums sum_window(const EvalBatch& batch, std::int64_t window) const;

    Communicator& world_;
    Backend& backend_;
    Gpt2& model_;
    std::optional<OnlineTeacher> teacher_;
    HeadPass head_;
    Arena arena_;
    View ids_, labels_;                       // (N) i32
    View kl_, nll_;                           // (N)
    View label_ranks_, top1_, teacher_top1_;  // (N) i32
    View unused_;                             // (2): the head's own sums
    std::vector<float> host_kl_, host_nll_;   // (N), of the batch scored last
    std::vector<std::int32_t> host_ranks_, host_top1_, host_teacher_top1_;
};

/// Validation of all students of a run during training: their own loss terms.
class Validation {
public:
    /// Shares `head` with the trainer; `windows` and models must outlive this.
    Validation(Communicator& world, HeadPass& head, Teacher* teacher, Students& students,
               EvalWindows windows, BatchShape capacity);

    std::int64_t targets() const { return windows_.targets(); }
    const Arena& arena() const { return arena_; }
    const std::vector<LossTerms>& run();  ///< materialises; one entry per student

private:
    Backend& backend_;
    HeadPass& head_;
    Teacher* teacher_;
    Students& students_;
    EvalWindows windows_;
    Share mine_;       // of the batches
    OrderedSum sums_;  // of each batch: all students' loss sums
    Arena arena_;
    View ids_, labels_;  // (N) i32
    std::vector<LossTerms> terms_;
};

}  // namespace lrd
