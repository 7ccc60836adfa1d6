// SPDX-License-Identifier: MIT
#include "train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/check.hpp"

namespace lrd {

std::int64_t count_sums(const Students& students) {
    std::size_t sum = 0;
    for (const auto& student : students) {
        sum += student->loss.sum_count();
    }
    return static_cast<std::int64_t>(sum);
}

namespace {

/// Micro-batches of a global batch.
std::int64_t count_micro_batches(const TrainSettings& settings, const Communicator& world) {
    if (settings.global_batch % settings.micro_batch != 0) {
        fail(ExitCode::usage, "train.global_batch = {} is not a multiple of train.micro_batch = {}",
             settings.global_batch, settings.micro_batch);
    }
    const std::int64_t micro_batches = settings.global_batch / settings.micro_batch;
    if (micro_batches < world.size()) {
        fail(ExitCode::usage,
             "train.global_batch = {} is {} micro-batches of {}, too few for {} ranks: some would "
             "have no work; lower train.micro_batch or start fewer ranks",
             settings.global_batch, micro_batches, settings.micro_batch, world.size());
    }
    return micro_batches;
}

std::vector<const Weights*> weights_of(const Students& students) {
    std::vector<const Weights*> weights;
    for (const auto& student : students) {
        weights.push_back(&student->weights);
    }
    return weights;
}

}  // namespace

Trainer::Trainer(Backend& backend, Communicator& world, const TrainSettings& settings,
                 BatchSource& source, Teacher* teacher, Students& students, bool reproducible)
    : backend_(backend),
      world_(world),
      settings_(settings),
      source_(source),
      teacher_(teacher),
      students_(students),
      micro_batches_(count_micro_batches(settings, world)),
      mine_(share_of(micro_batches_, world.rank(), world.size())),
      head_(backend, students.front()->model.config().V, settings.micro_batch * source.context(),
            teacher != nullptr),
      arena_(backend, "trainer"),
      sums_(world, mine_, micro_batches_, count_sums(students)),
      reduction_(backend, world, weights_of(students)) {
    const std::int64_t rows = settings.micro_batch * source.context();
    const auto k = static_cast<std::int64_t>(students.size());
    ids_ = arena_.region("ids", DType::i32, {rows});
    labels_ = arena_.region("labels", DType::i32, {rows});
    starts_ = arena_.region("starts", DType::i32, {rows});
    norms_ = arena_.region("gradient norms", DType::f32, {k});
    norms_host_.resize(students.size());
    reports_.resize(students.size());
    head_terms_.resize(students.size());
    if (reproducible) {
        std::vector<View> gradients;
        for (const auto& student : students) {
            gradients.push_back(student->weights.to_reduce().flat);
        }
        tree_.emplace(backend, world, micro_batches_, std::move(gradients));
    }
}

const std::vector<StudentReport>& Trainer::step(std::int64_t s) {
    begin(s);
    for (std::int64_t i = mine_.first; i < mine_.last; ++i) {
        load((s - 1) * settings_.global_batch + i * settings_.micro_batch);
        forward();    // teacher once, then every student
        losses();     // paper eq. 2 and 3, at the head
        backward(i);  // eq. 4 joins at the taps
    }
    reduce();     // Σ over the ranks of the materialised gradients
    pull_back();  // paper eq. 9 and 10 (corrected: theory.md E3)
    update(s);
    return reports_;
}

void Trainer::begin(std::int64_t s) {
    phases_.time(Phase::load, backend_, [&] {
        counts_ = source_.counts((s - 1) * settings_.global_batch, settings_.global_batch);
    });
    phases_.time(Phase::materialise, backend_, [&] {
        for (const auto& student : students_) {
            student->weights.materialise();
            student->weights.zero_gradients();
        }
    });
}

void Trainer::load(std::int64_t first_sample) {
    phases_.time(Phase::load, backend_, [&] {
        const Batch batch = source_.sample(first_sample, settings_.micro_batch);
        backend_.upload(ids_, batch.ids.data());
        backend_.upload(labels_, batch.labels.data());
        masked_ = !batch.starts.empty();
        if (masked_) {
            backend_.upload(starts_, batch.starts.data());
        }
        first_sample_ = first_sample;
        windows_ = batch.windows;
    });
}

ForwardOptions Trainer::options_of(const Student& student) const {
    ForwardOptions options{.starts = starts(), .dropout = student.dropout};
    options.dropout.first_row = first_sample_ * source_.context();
    return options;
}

void Trainer::forward() {
    const BatchShape shape{settings_.micro_batch, source_.context()};
    if (teacher_ != nullptr) {
        phases_.time(Phase::teacher, backend_,
                     [&] { teacher_->run(ids_, shape, windows_, starts()); });
    }
    phases_.time(Phase::forward, backend_, [&] {
        for (const auto& student : students_) {
            student->model.forward(ids_, shape, options_of(*student));
        }
    });
}

void Trainer::losses() {
    phases_.time(Phase::losses, backend_, [&] {
        for (const auto& student : students_) {
            student->loss.begin(counts_.rows, counts_.firsts, counts_.targets);
        }
        std::transform(students_.begin(), students_.end(), head_terms_.begin(),
                       [](const auto& student) { return student->loss.head_term(); });
        const float scale = 1.0F / static_cast<float>(std::max<std::int64_t>(1, counts_.targets));
        head_.run(teacher_, head_terms_, labels_, scale, true);
    });
}

/// Seconds in which this rank could do nothing else.
template <class Work>
double Trainer::wait_for_ranks(const char* what, const Work& work) {
    const double begin = log::now();
    work();
    const double end = log::now();
    if (profile_ != nullptr && world_.size() > 1) {
        profile_->add({what, Track::waiting, begin, end});
    }
    return end - begin;
}

template <class Work>
void Trainer::communicate(const Work& work) {
    comm_exposed_ += wait_for_ranks("gradients", work);
}

// In the last micro-batch the gradients travel while the backward pass goes on, of this student and
// of the next; the tree of run.reproducible waits for all of them.
void Trainer::backward(std::int64_t micro_batch) {
    phases_.time(Phase::backward, backend_, [&] {
        const bool last = micro_batch == mine_.last - 1;
        float* sums = sums_.row(micro_batch);
        for (std::size_t k = 0; k < students_.size(); ++k) {
            Student& student = *students_[k];
            const auto layer_done = [&](std::int64_t layer) {
                if (last && !tree_) {
                    communicate([&] { reduction_.layer_done(k, layer); });
                }
            };
            // By reference: a std::function that copied it would allocate.
            student.model.backward(ids_, &student.loss, std::cref(layer_done));
            layer_done(-1);
            student.loss.download_sums(sums);
            sums += student.loss.sum_count();
        }
        if (tree_) {
            tree_->add_leaf(micro_batch - mine_.first);
        }
    });
}

void Trainer::reduce() {
    phases_.time(Phase::reduce, backend_,
                 [&] { communicate([&] { tree_ ? tree_->reduce() : reduction_.finish(); }); });
}

void Trainer::pull_back() {
    phases_.time(Phase::update, backend_, [&] {
        backend_.zero(norms_);
        for (std::size_t k = 0; k < students_.size(); ++k) {
            const auto at = static_cast<std::int64_t>(k);
            students_[k]->weights.pull_back();
            students_[k]->optimiser.sum_squares(norms_.slice(at, at + 1));
        }
        backend_.download(norms_host_.data(), norms_);
        backend_.synchronize();
    });
    report_terms();
}

void Trainer::report_terms() {
    const double* sums = nullptr;
    phases_.time(Phase::reduce, backend_,
                 [&] { wait_for_ranks("loss sums", [&] { sums = sums_.sum().data(); }); });
    for (std::size_t k = 0; k < students_.size(); ++k) {
        students_[k]->loss.terms(sums, reports_[k].terms);
        reports_[k].grad_norm = std::sqrt(static_cast<double>(norms_host_[k]));
        sums += students_[k]->loss.sum_count();
    }
}

void Trainer::update(std::int64_t s) {
    phases_.time(Phase::update, backend_, [&] {
        for (std::size_t k = 0; k < students_.size(); ++k) {
            Student& student = *students_[k];
            StudentReport& report = reports_[k];
            report.skipped = !std::isfinite(report.terms.loss) || !std::isfinite(report.grad_norm);
            if (report.skipped) {
                report.lr = 0.0;
                ++student.skipped;
                ++student.skipped_in_row;
                continue;
            }
            student.skipped_in_row = 0;
            report.lr = student.optimiser.update(s, report.grad_norm);
        }
    });
}

void Trainer::set_profile(Profile* profile) {
    profile_ = profile;
    backend_.set_profile(profile);
    phases_.set_profile(profile);
    reduction_.set_profile(profile);
    if (tree_) {
        tree_->set_profile(profile);
    }
}

}  // namespace lrd
