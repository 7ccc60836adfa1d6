// SPDX-License-Identifier: MIT
#include "train/evaluate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "core/check.hpp"

namespace lrd {
namespace {

constexpr std::size_t terms_per_window = 6;
using Terms = std::array<double, terms_per_window>;

Terms terms_of(const EvalSums& s) {
    return {s.tokens, s.nll, s.top1, s.top5, s.teacher_top1, s.teacher_kl};
}

/// Σ over windows of their terms, in order. Only one rank has terms of a window, so that adding the
/// ranks first, zeros to values, changes nothing.
EvalSums sum_in_order(Communicator& world, std::vector<double>& terms) {
    world.all_reduce_sum(terms);
    Terms total{};
    for (std::size_t i = 0; i < terms.size(); ++i) {
        total[i % terms_per_window] += terms[i];
    }
    return {total[0], total[1], total[2], total[3], total[4], total[5]};
}

/// What one window holds of one document.
struct Segment {
    std::int64_t document;
    double nll;
};

/// Cuts a window's NLLs at the borders of documents. Its first target is token `token`.
void add_segments(std::vector<Segment>& segments, const std::vector<std::int64_t>& offsets,
                  std::int64_t token, std::span<const float> nll) {
    auto document = std::upper_bound(offsets.begin(), offsets.end(), token) - offsets.begin() - 1;
    Segment segment{document, 0.0};
    for (const float one : nll) {
        if (token == offsets[static_cast<std::size_t>(segment.document) + 1]) {
            segments.push_back(segment);
            segment = {segment.document + 1, 0.0};
        }
        segment.nll += static_cast<double>(one);
        ++token;
    }
    segments.push_back(segment);
}

/// NLL of each document on rank 0, from segments that stand in the order of the windows when the
/// ranks' are put after each other.
std::vector<double> document_sums(Communicator& world, const std::vector<Segment>& segments,
                                  std::size_t documents) {
    std::string bytes(segments.size() * sizeof(Segment), '\0');
    std::memcpy(bytes.data(), segments.data(), bytes.size());
    bytes = world.gather(bytes, 0);
    std::vector<double> nll(world.rank() == 0 ? documents : 0, 0.0);
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(Segment)) {
        Segment segment{};
        std::memcpy(&segment, bytes.data() + at, sizeof segment);
        nll.at(static_cast<std::size_t>(segment.document)) += segment.nll;
    }
    return nll;
}

}  // namespace

Evaluator::Evaluator(Communicator& world, Gpt2& model, Gpt2* teacher, BatchShape capacity)
    : world_(world),
      backend_(model.weights().backend()),
      model_(model),
      head_(backend_, model.config().V, capacity.rows(), teacher != nullptr),
      arena_(backend_, "evaluation") {
    if (teacher != nullptr) {
        teacher_.emplace(*teacher);
    }
    const std::int64_t n = capacity.rows();
    for (View* x : {&ids_, &labels_, &label_ranks_, &top1_, &teacher_top1_}) {
        *x = arena_.region("row indices", DType::i32, {n});
    }
    for (View* x : {&kl_, &nll_}) {
        *x = arena_.region("row losses", DType::f32, {n});
    }
    unused_ = arena_.region("sums", DType::f32, {2});
    for (auto* x : {&host_ranks_, &host_top1_, &host_teacher_top1_}) {
        x->resize(static_cast<std::size_t>(n));
    }
    for (auto* x : {&host_kl_, &host_nll_}) {
        x->resize(static_cast<std::size_t>(n));
    }
}

Evaluator::Result Evaluator::run(EvalWindows& windows, const DocumentTable* documents) {
    std::vector<double> terms(static_cast<std::size_t>(windows.windows()) * terms_per_window, 0.0);
    std::vector<Segment> segments;
    const Share share = share_of(windows.batches(), world_.rank(), world_.size());
    log::Progress progress("eval", static_cast<double>(share.last - share.first));
    for (std::int64_t i = share.first; i < share.last; ++i) {
        const EvalBatch batch = windows.batch(i);
        score(batch);
        for (std::int64_t b = 0; b < batch.B; ++b) {
            const Terms sums = terms_of(sum_window(batch, b));
            const auto window = static_cast<std::size_t>(batch.window + b);
            std::copy(sums.begin(), sums.end(), terms.begin() + window * terms_per_window);
            if (documents != nullptr) {
                const auto scored = static_cast<std::int64_t>(sums[0]);
                const std::int64_t end = (b + 1) * batch.T;  // what is scored is a window's end
                add_segments(segments, documents->offsets,
                             batch.first[static_cast<std::size_t>(b)] + batch.T - scored + 1,
                             {host_nll_.data() + end - scored, static_cast<std::size_t>(scored)});
            }
        }
        progress.update(static_cast<double>(i - share.first + 1));
    }
    Result result{sum_in_order(world_, terms), {}};
    if (documents != nullptr) {
        result.document_nll = document_sums(world_, segments, documents->bytes.size());
    }
    return result;
}

/// Forward through model and teacher, and the head once per block of rows for both.
void Evaluator::score(const EvalBatch& batch) {
    const BatchShape shape{batch.B, batch.T};
    const auto part = [&](const View& x) { return x.slice(0, shape.rows()); };
    backend_.upload(part(ids_), batch.ids.data());
    backend_.upload(part(labels_), batch.labels.data());
    const bool compared = teacher_.has_value();
    if (compared) {
        teacher_->run(part(ids_), shape, {}, {});
    }
    model_.forward(part(ids_), shape);
    const HeadTerm term{.model = &model_,
                        .tau = 1.0F,
                        .wants_kd = compared,
                        .kd_rows = part(kl_),
                        .lm_rows = part(nll_),
                        .kd_sum = unused_.slice(0, 1),
                        .lm_sum = unused_.slice(1, 2),
                        .top1 = compared ? part(top1_) : View{},
                        .label_ranks = part(label_ranks_)};
    backend_.zero(unused_);
    head_.run(compared ? &*teacher_ : nullptr, {&term, 1}, part(labels_), 1.0F, false,
              compared ? part(teacher_top1_) : View{});
    backend_.download(host_nll_.data(), part(nll_));
    backend_.download(host_ranks_.data(), part(label_ranks_));
    if (compared) {
        backend_.download(host_kl_.data(), part(kl_));
        backend_.download(host_top1_.data(), part(top1_));
        backend_.download(host_teacher_top1_.data(), part(teacher_top1_));
    }
    backend_.synchronize();
}

EvalSums Evaluator::sum_window(const EvalBatch& batch, std::int64_t b) const {
    EvalSums sums;
    const auto begin = static_cast<std::size_t>(b * batch.T);
    for (std::size_t i = begin; i < begin + static_cast<std::size_t>(batch.T); ++i) {
        if (batch.labels[i] < 0) {
            continue;
        }
        const double nll = static_cast<double>(host_nll_[i]);
        const double kl = teacher_ ? static_cast<double>(host_kl_[i]) : 0.0;
        if (!std::isfinite(nll) || !std::isfinite(kl)) {
            const std::int64_t first = batch.first[static_cast<std::size_t>(b)];
            fail(ExitCode::bad_data,
                 "window {} (tokens {} to {}): {} of token {} is not finite, so there is no figure "
                 "for this split: the model overflows in fp32; take "
                 "an earlier step",
                 batch.window + b, first, first + batch.T,
                 std::isfinite(nll) ? "the KL to the teacher" : "the NLL",
                 first + static_cast<std::int64_t>(i - begin) + 1);
        }
        sums.tokens += 1.0;
        sums.nll += nll;
        sums.top1 += host_ranks_[i] < 1 ? 1.0 : 0.0;
        sums.top5 += host_ranks_[i] < 5 ? 1.0 : 0.0;
        if (teacher_) {
            sums.teacher_top1 += host_top1_[i] == host_teacher_top1_[i] ? 1.0 : 0.0;
            sums.teacher_kl += kl;
        }
    }
    return sums;
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
            teacher_->run(ids, shape, {}, {});  // no windows of the training data
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
