// SPDX-License-Identifier: MIT
// Turns that are optimiser steps of all students of a teacher.
#include <fmt/core.h>

#include <filesystem>
#include <optional>

#include "core/log.hpp"
#include "io/safetensors.hpp"
#include "model/costs.hpp"
#include "train/cached_teacher.hpp"
#include "train/teacher_cache_files.hpp"
#include "train/trainer.hpp"
#include "work.hpp"

namespace lrd {
namespace {

/// Random windows of T + 1 tokens that share none, so that a file of them is all there is to know.
class WindowTokens : public BatchSource {
public:
    WindowTokens(std::int64_t windows, std::int64_t context, std::int64_t vocabulary)
        : count_(windows),
          context_(context),
          tokens_(random_tokens(windows * (context + 1), vocabulary)) {}
    std::int64_t context() const override { return context_; }
    Batch sample(std::int64_t first, std::int64_t count) override;
    const std::vector<std::int32_t>& all() const { return tokens_; }  ///< (windows, T + 1)

private:
    std::int64_t count_, context_;
    std::vector<std::int32_t> tokens_, ids_, labels_;
    std::vector<std::int64_t> windows_;
};

class Steps : public Turns {
public:
    Steps(const Work& work, Backend& backend, Communicator& world);

    Json run() override;
    Bound bound() override;
    /// Everything that is trained or read, and the tokens: teacher/NAME, student/K/NAME, tokens.
    void write(const std::string& path) const override;
    void release_masters() override;
    double fill_seconds() const override { return fill_seconds_; }

private:
    void make_teacher();
    void fill(CachedTeacher& teacher);
    void make_students();
    double flops() const;

    Work work_;
    Backend& backend_;
    Communicator& world_;
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

void add_tensors(std::vector<safetensors::Source>& sources, const std::string& prefix,
                 const Weights& weights) {
    for (const Parameter& p : weights.trained().all()) {
        std::vector<std::uint64_t> shape{static_cast<std::uint64_t>(p.cols)};
        if (!p.vector) {
            shape.insert(shape.begin(), static_cast<std::uint64_t>(p.rows));
        }
        sources.push_back({prefix + p.name, shape, [&weights, p] {
                               std::vector<float> values(static_cast<std::size_t>(p.size()));
                               weights.backend().download(values.data(),
                                                          weights.parameters().view(p));
                               weights.backend().synchronize();
                               return values;
                           }});
    }
}

Batch WindowTokens::sample(std::int64_t first, std::int64_t count) {
    ids_.clear();
    labels_.clear();
    windows_.clear();
    for (std::int64_t i = first; i < first + count; ++i) {
        const std::int64_t window = i % count_;
        const auto begin = tokens_.begin() + window * (context_ + 1);
        windows_.push_back(window);
        ids_.insert(ids_.end(), begin, begin + context_);
        labels_.insert(labels_.end(), begin + 1, begin + 1 + context_);
    }
    return {count, context_, ids_, labels_, windows_};
}

Steps::Steps(const Work& work, Backend& backend, Communicator& world)
    : work_(work),
      backend_(backend),
      world_(world),
      shape_{work.micro_batch, work.config.T},
      tokens_(work.windows, work.config.T, work.config.V) {
    if (work_.teacher != "none") {
        make_teacher();
    }
    make_students();
}

void Steps::make_teacher() {
    teacher_weights_.emplace(backend_, "teacher", dense_architecture(work_.config), Use::inference);
    make_random(*teacher_weights_, 1);
    teacher_weights_->materialise();
    teacher_model_.emplace(*teacher_weights_, "teacher", shape_, true);
    if (work_.teacher == "online") {
        teacher_ = std::make_unique<OnlineTeacher>(*teacher_model_);
        return;
    }
    TeacherSettings settings;  // the defaults of a run, but for the K largest
    settings.cache_topk = work_.teacher == "topk" ? work_.topk : 0;
    std::vector<double> taus;
    if (settings.cache_topk > 0) {
        taus.push_back(LossSettings{}.tau);
    }
    CacheLayout layout{cache_fields(settings, work_.config, static_cast<std::int64_t>(taus.size())),
                       work_.windows, work_.config.T};
    std::filesystem::create_directories(work_.folder);
    auto cache = std::make_unique<FileCache>(work_.folder, "steps", std::move(layout), 0);
    FileCache& files = *cache;
    auto teacher = std::make_unique<CachedTeacher>(
        *teacher_model_, clone_layers(settings.cache_clone, work_.config.L), std::move(cache), taus,
        shape_);
    const double start = log::now();
    fill(*teacher);
    files.publish();
    fill_seconds_ = (log::now() - start) / static_cast<double>(work_.windows);
    teacher_ = std::move(teacher);
}

/// Every window before anything is timed, as a run's first epoch does.
void Steps::fill(CachedTeacher& teacher) {
    Arena arena(backend_, "fill");
    const View ids = arena.region("ids", DType::i32, {shape_.rows()});
    for (std::int64_t first = 0; first < work_.windows; first += shape_.B) {
        const Batch batch = tokens_.sample(first, shape_.B);
        backend_.upload(ids, batch.ids.data());
        teacher.run(ids, shape_, batch.windows, {});
    }
}

void Steps::make_students() {
    TrainSettings train;
    train.global_batch = work_.global_batch;
    train.micro_batch = work_.micro_batch;
    for (std::size_t k = 0; k < work_.ranks.size(); ++k) {
        StudentSettings s;
        s.name = fmt::format("student-{}", k);
        s.form = work_.form;
        s.rank = {work_.ranks[k]};
        s.embedding_rank = s.form == "dense" ? 0 : work_.ranks[k];
        s.optim.schedule = "constant";
        s.optim.warmup = 0.0;
        if (!teacher_) {
            s.loss.kd = s.loss.clone = 0.0;
        }
        if (k == 0 || work_.separate) {
            runs_.emplace_back();
        }
        runs_.back().push_back(std::make_unique<Student>(backend_, s, work_.config, teacher_.get(),
                                                         shape_, train.steps));
        make_random(runs_.back().back()->weights, 2 + static_cast<std::int64_t>(k));
    }
    for (Students& run : runs_) {  // where they stay now
        trainers_.push_back(
            std::make_unique<Trainer>(backend_, world_, train, tokens_, teacher_.get(), run));
    }
}

/// One update of every student.
Json Steps::run() {
    ++steps_;
    Json kd = Json::array(), lm = Json::array(), clone = Json::array(), norm = Json::array();
    for (const auto& trainer : trainers_) {
        for (const StudentReport& report : trainer->step(steps_)) {
            kd.push(report.terms.kd);
            lm.push(report.terms.lm);
            clone.push(report.terms.clone);
            norm.push(report.grad_norm);
        }
    }
    return Json::object({{"kd", kd}, {"lm", lm}, {"clone", clone}, {"grad_norm", norm}});
}

Bound Steps::bound() { return {flops() / 1e9, gflop_rate(backend_), "GFLOP", "products"}; }

void Steps::write(const std::string& path) const {
    std::vector<safetensors::Source> sources;
    if (teacher_weights_) {
        add_tensors(sources, "teacher/", *teacher_weights_);
    }
    std::size_t k = 0;
    for (const Students& run : runs_) {
        for (const auto& student : run) {
            add_tensors(sources, fmt::format("student/{}/", k++), student->weights);
        }
    }
    // fp32 holds whole numbers below 2^24.
    sources.push_back(
        {"tokens",
         {static_cast<std::uint64_t>(work_.windows),
          static_cast<std::uint64_t>(work_.config.T + 1)},
         [this] { return std::vector<float>(tokens_.all().begin(), tokens_.all().end()); }});
    safetensors::write(path, std::move(sources), {});
}

void Steps::release_masters() {
    if (teacher_weights_) {
        teacher_weights_->release_masters();
    }
}

/// As `lrd bench` counts them.
double Steps::flops() const {
    const Architecture* whole = teacher_weights_ ? &teacher_weights_->architecture() : nullptr;
    const std::int64_t rows = shape_.rows();
    const std::int64_t micro_batches = work_.global_batch / work_.micro_batch;
    double sum = 0.0;
    for (const Students& run : runs_) {
        std::vector<const Architecture*> architectures;
        for (const auto& student : run) {
            architectures.push_back(&student->weights.architecture());
            sum += forms_cost(*architectures.back()).flops * (world_.size() - 1);
        }
        sum += step_cost(architectures, whole, micro_batches, rows, shape_.T).flops();
        if (work_.teacher == "cached" || work_.teacher == "topk") {  // is read
            sum -= static_cast<double>(micro_batches) *
                   blocks_forward_cost(*whole, rows, shape_.T).flops();
        }
        if (work_.teacher == "topk") {
            sum -= static_cast<double>(micro_batches) * head_forward_cost(*whole, rows).flops();
        }
    }
    return sum;
}

}  // namespace

std::unique_ptr<Turns> make_steps(const Work& work, Backend& backend, Communicator& world) {
    return std::make_unique<Steps>(work, backend, world);
}

}  // namespace lrd
