// SPDX-License-Identifier: MIT
// What a new student of a trained teacher loses when it knows the K largest logits alone: of the KL,
// and of the direction of its gradient.
#include <algorithm>
#include <cmath>
#include <optional>

#include "data/loader.hpp"
#include "model/initialise.hpp"
#include "train/cached_teacher.hpp"
#include "train/model_reference.hpp"
#include "train/teacher_cache_memory.hpp"
#include "train/top_k_bias.hpp"
#include "train/trainer.hpp"
#include "work.hpp"

namespace lrd {
namespace {

/// The first windows that a run of these tokens trains on, numbered as they come.
class FirstWindows : public BatchSource {
public:
    explicit FirstWindows(Loader& loader) : loader_(loader) {}
    std::int64_t context() const override { return loader_.context(); }
    Batch sample(std::int64_t first, std::int64_t count) override {
        Batch batch = loader_.sample(first, count);
        numbers_.clear();
        for (std::int64_t i = first; i < first + count; ++i) {
            numbers_.push_back(i);
        }
        batch.windows = numbers_;
        return batch;
    }

private:
    Loader& loader_;
    std::vector<std::int64_t> numbers_;
};

class TopKBiasTurns : public Turns {
public:
    TopKBiasTurns(const Work& work, Backend& backend, Communicator& world)
        : work_(work),
          backend_(backend),
          world_(world),
          shape_{work.micro_batch, work.config.T},
          tokens_(work.tokens, "train"),
          loader_(tokens_, {.context = shape_.T}),
          source_(loader_),
          weights_(load_teacher(backend, work.model)),
          model_(*weights_, "teacher", shape_, true),
          exact_(model_) {
        check_teacher_reads(weights_->config(), work.model, tokens_, shape_.T);
        TeacherSettings settings;
        settings.cache_topk = work.topk;
        settings.cache_clone = "none";
        CacheLayout layout{cache_fields(settings, weights_->config(), 1), work.windows, shape_.T};
        largest_.emplace(model_, std::vector<std::int64_t>{},
                         std::make_unique<MemoryCache>(std::move(layout), world),
                         std::vector{LossSettings{}.tau}, shape_);
    }

    Json run() override {
        Students students = new_student(exact_);
        const TopKBias bias =
            measure_top_k_bias(exact_, students, source_, work_.topk, shape_, work_.windows)
                .front();
        return Json::object({{"V", weights_->config().V},
                             {"exact", bias.exact},
                             {"bound", bias.bound},
                             {"missing", bias.missing},
                             {"cosine_of_rows", bias.cosine},
                             {"cosine", cosine(gradient(exact_), gradient(*largest_))}});
    }

private:
    /// The teacher's truncated SVD of a quarter of its width, with the KD term alone.
    Students new_student(Teacher& teacher) {
        StudentSettings s;
        s.name = "student";
        s.embedding_rank = std::max<std::int64_t>(1, weights_->config().C / 4);
        s.rank = {s.embedding_rank};
        s.loss.lm = s.loss.clone = 0.0;
        Students students;
        students.push_back(
            std::make_unique<Student>(backend_, s, weights_->config(), &teacher, shape_, 1));
        initialise({{&students[0]->weights, s.init, s.seed}}, weights_.get());
        return students;
    }

    /// Of all trained tensors, over all windows.
    std::vector<float> gradient(Teacher& teacher) {
        Students students = new_student(teacher);
        TrainSettings train;
        train.global_batch = work_.windows;
        train.micro_batch = work_.micro_batch;
        Trainer(backend_, world_, train, source_, &teacher, students).step(1);
        const View flat = students[0]->weights.gradients().flat;
        std::vector<float> values(static_cast<std::size_t>(flat.size()));
        backend_.download(values.data(), flat);
        backend_.synchronize();
        return values;
    }

    static double cosine(const std::vector<float>& x, const std::vector<float>& y) {
        double xy = 0.0, xx = 0.0, yy = 0.0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const auto a = static_cast<double>(x[i]), b = static_cast<double>(y[i]);
            xy += a * b;
            xx += a * a;
            yy += b * b;
        }
        return xy / std::sqrt(xx * yy);
    }

    Work work_;
    Backend& backend_;
    Communicator& world_;
    BatchShape shape_;
    TokenFiles tokens_;
    Loader loader_;
    FirstWindows source_;
    std::unique_ptr<Weights> weights_;
    Gpt2 model_;
    OnlineTeacher exact_;
    std::optional<CachedTeacher> largest_;
};

}  // namespace

std::unique_ptr<Turns> make_top_k_bias(const Work& work, Backend& backend, Communicator& world) {
    return std::make_unique<TopKBiasTurns>(work, backend, world);
}

}  // namespace lrd
