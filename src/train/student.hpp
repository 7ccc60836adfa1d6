// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "config/config.hpp"
#include "loss/distill_loss.hpp"
#include "optim/optimiser.hpp"

namespace lrd {

/// One student of a run with all that is its own: tensors, activations, losses, optimiser.
struct Student {
    /// `teacher` null: trains from scratch. Sizes are `config`'s, never the teacher's.
    Student(Backend& backend, const StudentSettings& settings, const Gpt2Config& config,
            Teacher* teacher, BatchShape capacity, std::int64_t steps, bool recompute = false);
    Student(const Student&) = delete;
    Student& operator=(const Student&) = delete;

    const std::string& name() const { return settings.name; }

    StudentSettings settings;
    Weights weights;
    Gpt2 model;
    DistillLoss loss;
    Optimiser optimiser;
    ModelDropout dropout;             // rate 0 unless the run says otherwise
    std::int64_t skipped = 0;         // updates that were not finite, in all
    std::int64_t skipped_in_row = 0;  // … since the last good one
    double best_val_loss;             // +inf before the first evaluation
    std::int64_t best_step = -1;
};

}  // namespace lrd
