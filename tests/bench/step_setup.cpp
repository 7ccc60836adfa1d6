// SPDX-License-Identifier: MIT
#include "step_setup.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "core/check.hpp"
#include "core/log.hpp"
#include "core/random.hpp"
#include "io/safetensors.hpp"
#include "model/costs.hpp"
#include "model/initialise.hpp"
#include "train/teacher_cache_files.hpp"

namespace lrd {
namespace {

std::vector<std::int64_t> integers(const Json& json) {
    std::vector<std::int64_t> values;
    for (const Json& one : json.as_array()) {
        values.push_back(one.as_int());
    }
    return values;
}

/// Attention that is not uniform, and logits far enough apart for the KD term to weigh.
float times_initial(const std::string& name) {
    if (name == "wte.weight" || name == "wte.Ce") {
        return 3.0F;
    }
    return name.starts_with("h.") && name.ends_with(".weight") ? 2.0F : 1.0F;
}

/// Random values of which none hides an error as biases of 0, gains of 1 or a soft-max that is flat
/// would: whatever is compared depends on every tensor.
void make_random(Weights& weights, std::int64_t seed) {
    initialise({{&weights, "random", seed}}, nullptr);
    Backend& backend = weights.backend();
    for (const Parameter& p : weights.trained().all()) {
        const View x = weights.parameters().view(p);
        std::vector<float> values(static_cast<std::size_t>(p.size()));
        backend.download(values.data(), x);
        backend.synchronize();
        if (p.vector) {
            std::vector<float> noise(values.size());
            Random(static_cast<std::uint64_t>(seed), "noise " + p.name).normal(noise, 0.0, 0.1);
            std::transform(values.begin(), values.end(), noise.begin(), values.begin(),
                           std::plus<>());
        } else {
            const float factor = times_initial(p.name);
            std::transform(values.begin(), values.end(), values.begin(),
                           [factor](float v) { return factor * v; });
        }
        backend.upload(x, values.data());
        backend.synchronize();
    }
}

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

}  // namespace

StepOptions::StepOptions(const Json& json)
    : micro_batch(json.at("micro_batch").as_int()),
      global_batch(json.at("global_batch").as_int()),
      windows(json.at("windows").as_int()),
      form(json.at("form").as_string()),
      ranks(integers(json.at("ranks"))),
      teacher(json.at("teacher").as_string()),
      topk(json.at("topk").as_int()),
      separate(json.at("separate").as_bool()),
      precision(json.at("precision").as_string()),
      threads(json.at("threads").as_int()),
      folder(json.at("folder").as_string()) {
    const auto size = [&](const char* name) { return json.at(name).as_int(); };
    config = {size("L"), size("C"), size("H"), size("D"), size("F"), size("T"), size("V")};
    LRD_CHECK(windows % micro_batch == 0, "{} windows by {}", windows, micro_batch);
}

WindowTokens::WindowTokens(std::int64_t windows, std::int64_t context, std::int64_t vocabulary)
    : count_(windows),
      context_(context),
      tokens_(static_cast<std::size_t>(windows * (context + 1))) {
    const Random random(1, "step tokens");
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
        tokens_[i] = static_cast<std::int32_t>(random.uniform(i) * static_cast<double>(vocabulary));
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

StepSetup::StepSetup(const StepOptions& options, Backend& backend, Communicator& world)
    : options_(options),
      backend_(backend),
      shape_{options.micro_batch, options.config.T},
      tokens_(options.windows, options.config.T, options.config.V) {
    if (options_.teacher != "none") {
        make_teacher();
    }
    make_students(world);
}

void StepSetup::make_teacher() {
    teacher_weights_.emplace(backend_, "teacher", dense_architecture(options_.config),
                             Use::inference);
    make_random(*teacher_weights_, 1);
    teacher_weights_->materialise();
    teacher_model_.emplace(*teacher_weights_, "teacher", shape_, true);
    if (options_.teacher == "online") {
        teacher_ = std::make_unique<OnlineTeacher>(*teacher_model_);
        return;
    }
    TeacherSettings settings;  // the defaults of a run, but for the K largest
    settings.cache_topk = options_.teacher == "topk" ? options_.topk : 0;
    std::vector<double> taus;
    if (settings.cache_topk > 0) {
        taus.push_back(LossSettings{}.tau);
    }
    CacheLayout layout{
        cache_fields(settings, options_.config, static_cast<std::int64_t>(taus.size())),
        options_.windows, options_.config.T};
    std::filesystem::create_directories(options_.folder);
    auto cache = std::make_unique<FileCache>(options_.folder, "steps", std::move(layout), 0);
    FileCache& files = *cache;
    auto teacher = std::make_unique<CachedTeacher>(
        *teacher_model_, clone_layers(settings.cache_clone, options_.config.L), std::move(cache),
        taus, shape_);
    const double start = log::now();
    fill(*teacher);
    files.publish();
    fill_seconds_ = (log::now() - start) / static_cast<double>(options_.windows);
    teacher_ = std::move(teacher);
}

/// Every window before anything is timed, as a run's first epoch does.
void StepSetup::fill(CachedTeacher& teacher) {
    Arena arena(backend_, "fill");
    const View ids = arena.region("ids", DType::i32, {shape_.rows()});
    for (std::int64_t first = 0; first < options_.windows; first += shape_.B) {
        const Batch batch = tokens_.sample(first, shape_.B);
        backend_.upload(ids, batch.ids.data());
        teacher.run(ids, shape_, batch.windows, {});
    }
}

void StepSetup::make_students(Communicator& world) {
    TrainSettings train;
    train.global_batch = options_.global_batch;
    train.micro_batch = options_.micro_batch;
    for (std::size_t k = 0; k < options_.ranks.size(); ++k) {
        StudentSettings s;
        s.name = fmt::format("student-{}", k);
        s.form = options_.form;
        s.rank = {options_.ranks[k]};
        s.embedding_rank = s.form == "dense" ? 0 : options_.ranks[k];
        s.optim.schedule = "constant";
        s.optim.warmup = 0.0;
        if (!teacher_) {
            s.loss.kd = s.loss.clone = 0.0;
        }
        if (k == 0 || options_.separate) {
            runs_.emplace_back();
        }
        runs_.back().push_back(std::make_unique<Student>(backend_, s, options_.config,
                                                         teacher_.get(), shape_, train.steps));
        make_random(runs_.back().back()->weights, 2 + static_cast<std::int64_t>(k));
    }
    for (Students& run : runs_) {  // where they stay now
        trainers_.push_back(
            std::make_unique<Trainer>(backend_, world, train, tokens_, teacher_.get(), run));
    }
}

std::vector<StudentReport> StepSetup::step() {
    ++steps_;
    std::vector<StudentReport> reports;
    for (const auto& trainer : trainers_) {
        const std::vector<StudentReport>& of_run = trainer->step(steps_);
        reports.insert(reports.end(), of_run.begin(), of_run.end());
    }
    backend_.synchronize();
    return reports;
}

void StepSetup::write(const std::string& path) const {
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
         {static_cast<std::uint64_t>(options_.windows),
          static_cast<std::uint64_t>(options_.config.T + 1)},
         [this] { return std::vector<float>(tokens_.all().begin(), tokens_.all().end()); }});
    safetensors::write(path, std::move(sources), {});
}

void StepSetup::release_masters() {
    if (teacher_weights_) {
        teacher_weights_->release_masters();
    }
}

double StepSetup::flops(int world_size) const {
    const Architecture* whole = teacher_weights_ ? &teacher_weights_->architecture() : nullptr;
    const std::int64_t rows = shape_.rows();
    const std::int64_t micro_batches = options_.global_batch / options_.micro_batch;
    double sum = 0.0;
    for (const Students& run : runs_) {
        std::vector<const Architecture*> architectures;
        for (const auto& student : run) {
            architectures.push_back(&student->weights.architecture());
            sum += forms_cost(*architectures.back()).flops * (world_size - 1);
        }
        sum += step_cost(architectures, whole, micro_batches, rows, shape_.T).flops();
        if (options_.teacher == "cached" || options_.teacher == "topk") {  // is read
            sum -= static_cast<double>(micro_batches) *
                   blocks_forward_cost(*whole, rows, shape_.T).flops();
        }
        if (options_.teacher == "topk") {
            sum -= static_cast<double>(micro_batches) * head_forward_cost(*whole, rows).flops();
        }
    }
    return sum;
}

}  // namespace lrd
