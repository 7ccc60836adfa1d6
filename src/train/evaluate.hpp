// SPDX-License-Identifier: MIT
// Passes over held-out tokens without gradients.
#pragma once

#include <vector>

#include "comm/communicator.hpp"
#include "data/eval_windows.hpp"
#include "loss/head_pass.hpp"
#include "train/trainer.hpp"

namespace lrd {

/// Sums over the scored tokens of all ranks.
struct EvalSums {
    double tokens = 0.0;
    double nll = 0.0;           // nats
    double top1 = 0.0;          // targets that the model ranks first
    double teacher_top1 = 0.0;  // tokens where model and teacher rank the same first
    double teacher_kl = 0.0;    // KL(teacher ‖ model) at τ = 1, nats
};

/// Scores `model`, and against `teacher` if there is one, on every target of `windows`; batches
/// are shared out over the ranks. With `nll_of_target` (size windows.targets(), zeros): the NLL of
/// each target is written there, summed over the ranks.
EvalSums evaluate(Communicator& world, Gpt2& model, Gpt2* teacher, EvalWindows& windows,
                  BatchShape capacity, std::vector<double>* nll_of_target = nullptr);

/// Validation of all students of a run during training: their own loss terms.
class Validation {
public:
    /// Shares `head` with the trainer; `windows` and models must outlive this.
    Validation(Communicator& world, HeadPass& head, Teacher* teacher, Students& students,
               EvalWindows windows, BatchShape capacity);

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
