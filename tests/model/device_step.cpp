// SPDX-License-Identifier: MIT
#include "model/device_step.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace lrd::test {

using reference::Matrix;
using reference::Model;

namespace {

std::int64_t signed_size(std::size_t x) { return static_cast<std::int64_t>(x); }

/// Kept taps: as the teacher of a clone term, and always in training.
std::unique_ptr<Gpt2> make_gpt2(Weights& weights, const char* name, BatchShape capacity,
                                bool recompute = false) {
    return std::make_unique<Gpt2>(weights, name, capacity,
                                  Keep{.taps = true, .recompute = recompute});
}

}  // namespace

Gpt2Config to_config(const reference::Sizes& s) {
    return {signed_size(s.L), signed_size(s.C), signed_size(s.H), signed_size(s.D),
            signed_size(s.F), signed_size(s.T), signed_size(s.V)};
}

Architecture architecture_of(const reference::Sizes& sizes, const Model& model) {
    Architecture out = dense_architecture(to_config(sizes));
    if (model.count("wte.Ce") != 0) {
        out.embedding_rank = signed_size(model.at("wte.Ce").cols);
    }
    std::size_t i = 0;
    for (const auto& linear : reference::linear_sizes(sizes)) {
        if (model.count(linear.name + ".P_l") != 0) {
            out.linears.at(i) = {"lifted", signed_size(model.at(linear.name + ".P_l").rows)};
        } else if (model.count(linear.name + ".A") != 0) {
            out.linears.at(i) = {"factored", signed_size(model.at(linear.name + ".A").cols)};
        }
        ++i;
    }
    return out;
}

LossSettings to_settings(const reference::Losses& l) {
    return {.kd = l.kd,
            .lm = l.lm,
            .clone = l.clone,
            .tau = l.tau,
            .clone_reduction = l.reduction,
            .clone_skip_first = l.skip_first};
}

OptimSettings to_settings(const reference::AdamWState& a) {
    OptimSettings out;
    out.kind = "adamw";
    out.lr = a.lr;
    out.beta1 = a.beta1;
    out.beta2 = a.beta2;
    out.eps = a.eps;
    out.weight_decay = a.weight_decay;
    out.clip = a.clip;
    out.schedule = "constant";
    out.warmup = 0.0;
    return out;
}

void upload(Weights& weights, const Model& model) {
    EXPECT_EQ(weights.trained().all().size(), model.size());
    for (const auto& [name, value] : model) {
        const View to = weights.parameters()(name);
        const bool vector = reference::is_vector(name);
        EXPECT_EQ(to.dims(), vector ? 1 : 2) << name;
        EXPECT_EQ(to.dim(0), signed_size(vector ? value.cols : value.rows)) << name;
        EXPECT_EQ(to.size(), signed_size(value.data.size())) << name;
        const std::vector<float> host(value.data.begin(), value.data.end());
        weights.backend().upload(to, host.data());
    }
    weights.backend().synchronize();
}

Matrix download(Backend& backend, const View& x) {
    std::vector<float> host(static_cast<std::size_t>(x.size()));
    backend.download(host.data(), x);
    backend.synchronize();
    Matrix out;
    out.rows = x.dims() == 1 ? 1 : static_cast<std::size_t>(x.dim(0));
    out.cols = host.size() / out.rows;
    out.data.assign(host.begin(), host.end());
    return out;
}

Model download(Backend& backend, const Tensors& tensors) {
    Model out;
    for (const Parameter& p : tensors.table->all()) {
        out[p.name] = download(backend, tensors.view(p));
    }
    return out;
}

DeviceStep::DeviceStep(Backend& backend, const reference::Sizes& sizes,
                       const reference::Losses& losses, const OptimSettings& optim,
                       const Model& teacher, const Model& student, BatchShape capacity,
                       std::int64_t head_rows, bool recompute)
    : backend_(backend),
      sizes_(sizes),
      arena_(backend, "test"),
      head_(backend, signed_size(sizes.V), head_rows, !teacher.empty()) {
    if (!teacher.empty()) {
        teacher_weights_ = std::make_unique<Weights>(
            backend, "teacher", architecture_of(sizes, teacher), Use::inference);
        upload(*teacher_weights_, teacher);
        teacher_weights_->materialise();
        teacher_ = make_gpt2(*teacher_weights_, "teacher", capacity);
        online_ = std::make_unique<OnlineTeacher>(*teacher_);
    }
    student_weights_ = std::make_unique<Weights>(
        backend, "student", architecture_of(sizes, student), Use::training, teacher_weights_.get());
    upload(*student_weights_, student);
    student_ = make_gpt2(*student_weights_, "student", capacity, recompute);
    loss_ = std::make_unique<DistillLoss>(*student_, online_.get(), "student", to_settings(losses),
                                          capacity.rows());
    optimiser_ = std::make_unique<Optimiser>(*student_weights_, "student", optim, 1000);
    ids_ = arena_.region("ids", DType::i32, {capacity.rows()});
    labels_ = arena_.region("labels", DType::i32, {capacity.rows()});
    starts_ = arena_.region("starts", DType::i32, {capacity.rows()});
    z_ = arena_.region("logits", DType::f32, {capacity.rows(), signed_size(sizes.V)});
}

namespace {

struct RowsOf {
    std::int64_t rows = 0, firsts = 0, targets = 0;
};

/// With starts as a loader counts them; without, every row is scored, padding too.
RowsOf count_rows(const std::vector<reference::Batch>& batches) {
    RowsOf all;
    for (const reference::Batch& batch : batches) {
        for (std::size_t i = 0; i < batch.ids.size(); ++i) {
            const bool masked = !batch.starts.empty();
            const std::size_t start = masked ? static_cast<std::size_t>(batch.starts[i]) : 0;
            ++all.rows;
            all.firsts += i % batch.T == start ? 1 : 0;
            all.targets += !masked || batch.labels[i] >= 0 ? 1 : 0;
        }
    }
    return all;
}

}  // namespace

reference::DistillStep DeviceStep::run(const std::vector<reference::Batch>& micro_batches,
                                       const reference::Vector& variance) {
    const RowsOf counts = count_rows(micro_batches);
    student_weights_->materialise();
    student_weights_->zero_gradients();
    loss_->set_tap_variance(variance);
    loss_->begin(counts.rows, counts.firsts, counts.targets);
    for (const reference::Batch& batch : micro_batches) {
        run_micro_batch(batch, counts.targets);
    }
    student_weights_->pull_back();
    loss_->download_sums();
    const View squares = arena_.region("squares", DType::f32, {1});
    backend_.zero(squares);
    optimiser_->sum_squares(squares);

    reference::DistillStep out{};
    out.grad_norm = std::sqrt(download(backend_, squares).data[0]);
    const std::vector<double> sums(loss_->sums().begin(), loss_->sums().end());
    const LossTerms terms = loss_->terms(sums.data());
    out.loss = terms.loss;
    out.kd = terms.kd;
    out.lm = terms.lm;
    out.clone = terms.clone;
    out.clone_tap = terms.clone_tap;
    out.gradient = download(backend_, student_weights_->gradients());
    out.student = pass(*student_);
    if (teacher_) {
        out.teacher = pass(*teacher_);
    }
    return out;
}

void DeviceStep::run_micro_batch(const reference::Batch& batch, std::int64_t targets) {
    const auto n = signed_size(batch.ids.size());
    const View ids = ids_.slice(0, n);
    const View labels = labels_.slice(0, n);
    backend_.upload(ids, batch.ids.data());
    backend_.upload(labels, batch.labels.data());
    View starts;
    if (!batch.starts.empty()) {
        starts = starts_.slice(0, n);
        backend_.upload(starts, batch.starts.data());
    }
    const BatchShape shape{signed_size(batch.B), signed_size(batch.T)};
    if (teacher_) {
        online_->run(ids, shape, {}, starts);
    }
    student_->forward(ids, shape,
                      {.starts = starts,
                       .dropout = {.rate = static_cast<float>(batch.drop.rate),
                                   .key = batch.drop.key,
                                   .first_row = static_cast<std::int64_t>(batch.drop.first_row)}});
    const HeadTerm terms[] = {loss_->head_term()};
    head_.run(online_.get(), terms, labels, 1.0F / static_cast<float>(targets), true);
    student_->backward(ids, loss_.get());
}

/// Of the last micro-batch.
reference::Pass DeviceStep::pass(Gpt2& model) {
    reference::Pass out;
    const std::int64_t rows = model.batch().rows();
    model.logits(z_.slice(0, rows), 0, rows);
    out.logits = download(backend_, z_.slice(0, rows));
    out.hidden = download(backend_, model.hidden());
    for (std::int64_t l = 0; l < model.config().L; ++l) {
        out.taps.push_back(download(backend_, model.tap(l, Tap::hidden)));
        out.taps.push_back(download(backend_, model.tap(l, Tap::attention)));
    }
    return out;
}

}  // namespace lrd::test
