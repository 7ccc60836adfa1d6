// SPDX-License-Identifier: MIT
#include "train/evaluate.hpp"

#include <algorithm>
#include <optional>

namespace lrd {
namespace {

/// The host side of one batch's rows.
struct RowResults {
    std::vector<float> kl, nll;
    std::vector<std::int32_t> top1, teacher_top1;

    explicit RowResults(std::size_t rows) : kl(rows), nll(rows), top1(rows), teacher_top1(rows) {}
};

void book(const EvalBatch& batch, const RowResults& rows, bool with_teacher, EvalSums& sums,
          std::vector<double>* nll_of_target) {
    for (std::size_t i = 0; i < batch.labels.size(); ++i) {
        if (batch.labels[i] < 0) {
            continue;
        }
        sums.tokens += 1.0;
        sums.nll += static_cast<double>(rows.nll[i]);
        sums.top1 += rows.top1[i] == batch.labels[i] ? 1.0 : 0.0;
        if (with_teacher) {
            sums.teacher_top1 += rows.top1[i] == rows.teacher_top1[i] ? 1.0 : 0.0;
            sums.teacher_kl += static_cast<double>(rows.kl[i]);
        }
        if (nll_of_target != nullptr) {
            const std::size_t window = i / static_cast<std::size_t>(batch.T);
            const std::size_t offset = i % static_cast<std::size_t>(batch.T);
            const auto target = static_cast<std::size_t>(batch.first[window]) + offset;
            (*nll_of_target)[target] = static_cast<double>(rows.nll[i]);
        }
    }
}

}  // namespace

EvalSums evaluate(Communicator& world, Gpt2& model, Gpt2* teacher, EvalWindows& windows,
                  BatchShape capacity, std::vector<double>* nll_of_target) {
    Backend& backend = model.weights().backend();
    const std::int64_t n = capacity.rows();
    HeadPass head(backend, model.config().V, n, teacher != nullptr);
    Arena arena(backend, "evaluation");
    const View ids = arena.region("ids", DType::i32, {n});
    const View labels = arena.region("labels", DType::i32, {n});
    const View kl = arena.region("kl", DType::f32, {n});
    const View nll = arena.region("nll", DType::f32, {n});
    const View top1 = arena.region("top1", DType::i32, {n});
    const View teacher_top1 = arena.region("teacher top1", DType::i32, {n});
    const View unused = arena.region("sums", DType::f32, {2});
    RowResults rows(static_cast<std::size_t>(n));
    std::optional<OnlineTeacher> beside;
    if (teacher != nullptr) {
        beside.emplace(*teacher);
    }
    EvalSums sums;
    const Share share = share_of(windows.batches(), world.rank(), world.size());
    log::Progress progress("eval", static_cast<double>(share.last - share.first));
    for (std::int64_t i = share.first; i < share.last; ++i) {
        const EvalBatch batch = windows.batch(i);
        const BatchShape shape{batch.B, batch.T};
        const std::int64_t count = shape.rows();
        const auto part = [&](const View& x) { return x.slice(0, count); };
        backend.upload(part(ids), batch.ids.data());
        backend.upload(part(labels), batch.labels.data());
        if (teacher != nullptr) {
            teacher->forward(part(ids), shape);
        }
        model.forward(part(ids), shape);
        const HeadTerm term{.model = &model,
                            .tau = 1.0F,
                            .wants_kd = teacher != nullptr,
                            .kd_rows = part(kl),
                            .lm_rows = part(nll),
                            .kd_sum = unused.slice(0, 1),
                            .lm_sum = unused.slice(1, 2),
                            .top1 = part(top1)};
        backend.zero(unused);
        head.run(beside ? &*beside : nullptr, {&term, 1}, part(labels), 1.0F, false,
                 teacher != nullptr ? part(teacher_top1) : View{});
        backend.download(rows.kl.data(), part(kl));
        backend.download(rows.nll.data(), part(nll));
        backend.download(rows.top1.data(), part(top1));
        backend.download(rows.teacher_top1.data(), part(teacher_top1));
        backend.synchronize();
        book(batch, rows, teacher != nullptr, sums, nll_of_target);
        progress.update(static_cast<double>(i - share.first + 1));
    }
    double all[] = {sums.tokens, sums.nll, sums.top1, sums.teacher_top1, sums.teacher_kl};
    world.all_reduce_sum(all);
    if (nll_of_target != nullptr) {
        world.all_reduce_sum(*nll_of_target);
    }
    return {all[0], all[1], all[2], all[3], all[4]};
}

Validation::Validation(Communicator& world, HeadPass& head, Teacher* teacher, Students& students,
                       EvalWindows windows, BatchShape capacity)
    : backend_(students.front()->weights.backend()),
      head_(head),
      teacher_(teacher),
      students_(students),
      windows_(std::move(windows)),
      mine_(share_of(windows_.batches(), world.rank(), world.size())),
      sums_(world, mine_, windows_.batches(), count_sums(students)),
      arena_(backend_, "validation") {
    ids_ = arena_.region("ids", DType::i32, {capacity.rows()});
    labels_ = arena_.region("labels", DType::i32, {capacity.rows()});
    terms_.resize(students.size());
}

const std::vector<LossTerms>& Validation::run() {
    for (const auto& student : students_) {
        student->weights.materialise();
    }
    std::vector<HeadTerm> heads(students_.size());
    for (std::int64_t i = mine_.first; i < mine_.last; ++i) {
        const EvalBatch batch = windows_.batch(i);
        const BatchShape shape{batch.B, batch.T};
        const View ids = ids_.slice(0, shape.rows());
        const View labels = labels_.slice(0, shape.rows());
        backend_.upload(ids, batch.ids.data());
        backend_.upload(labels, batch.labels.data());
        if (teacher_ != nullptr) {
            teacher_->run(ids, shape, {});  // no windows of the training data
        }
        for (std::size_t k = 0; k < students_.size(); ++k) {
            students_[k]->model.forward(ids, shape);
            students_[k]->loss.begin(windows_.targets(), windows_.windows());
            students_[k]->loss.add_clone_value();
            heads[k] = students_[k]->loss.head_term();
        }
        head_.run(teacher_, heads, labels, 1.0F, false);
        float* sums = sums_.row(i);
        for (const auto& student : students_) {
            student->loss.download_sums(sums);
            sums += student->loss.sum_count();
        }
    }
    backend_.synchronize();
    const double* at = sums_.sum().data();
    for (std::size_t k = 0; k < students_.size(); ++k) {
        terms_[k] = students_[k]->loss.terms(at);
        at += students_[k]->loss.sum_count();
    }
    return terms_;
}

}  // namespace lrd
