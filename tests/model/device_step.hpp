// SPDX-License-Identifier: MIT
// DeviceStep: one student and its teacher on a backend, in the calls that a trainer makes, with
// models and results of the reference on either side.
#pragma once

#include <memory>
#include <vector>

#include "loss/distill_loss.hpp"
#include "model/gpt2.hpp"
#include "optim/optimiser.hpp"
#include "reference/reference_student.hpp"

namespace lrd::test {

Gpt2Config to_config(const reference::Sizes& sizes);
/// The architecture that a model's names and shapes describe.
Architecture architecture_of(const reference::Sizes& sizes, const reference::Model& model);
LossSettings to_settings(const reference::Losses& losses);
OptimSettings to_settings(const reference::AdamWState& optim);

/// Fills every trained tensor; fails the test on a missing name or another shape.
void upload(Weights& weights, const reference::Model& model);
/// The tensors of a table, by name.
reference::Model download(Backend& backend, const Tensors& tensors);
reference::Matrix download(Backend& backend, const View& x);

class DeviceStep {
public:
    /// An empty teacher is none. Losses go over blocks of at most `head_rows` rows. The student may
    /// recompute its activations.
    DeviceStep(Backend& backend, const reference::Sizes& sizes, const reference::Losses& losses,
               const OptimSettings& optim, const reference::Model& teacher,
               const reference::Model& student, BatchShape capacity, std::int64_t head_rows,
               bool recompute = false);

    /// Everything of a step but the update. Equally shaped micro-batches of one global batch.
    reference::DistillStep run(const std::vector<reference::Batch>& micro_batches,
                               const reference::Vector& variance);
    void update(std::int64_t s, double norm) { optimiser_->update(s, norm); }
    reference::Model parameters() { return download(backend_, student_weights_->parameters()); }
    Gpt2& student() { return *student_; }

private:
    void run_micro_batch(const reference::Batch& batch, std::int64_t targets);
    reference::Pass pass(Gpt2& model);

    Backend& backend_;
    reference::Sizes sizes_;
    Arena arena_;
    std::unique_ptr<Weights> teacher_weights_, student_weights_;
    std::unique_ptr<Gpt2> teacher_, student_;
    std::unique_ptr<OnlineTeacher> online_;
    std::unique_ptr<DistillLoss> loss_;
    std::unique_ptr<Optimiser> optimiser_;
    HeadPass head_;
    View ids_, labels_, starts_, z_;
};

}  // namespace lrd::test
