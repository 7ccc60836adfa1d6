// SPDX-License-Identifier: MIT
// A trainer whose teacher looks up what it has seen.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "comm/silent_world.hpp"
#include "core/random.hpp"
#include "expect_error.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "model/initialise.hpp"
#include "mpi/mpi_main.hpp"
#include "temporary_directory.hpp"
#include "train/nodes.hpp"
#include "train/open_teacher_cache.hpp"
#include "train/sealed_backend.hpp"
#include "train/top_k_bias.hpp"
#include "train/trainer.hpp"

namespace lrd::test {
namespace {

constexpr Gpt2Config config{.L = 2, .C = 12, .H = 3, .D = 4, .F = 20, .T = 9, .V = 31};
constexpr std::int64_t window_count = 12;  // one and a half global batches

class Windows : public BatchSource {
public:
    std::int64_t context() const override { return config.T; }
    Batch sample(std::int64_t first, std::int64_t count) override {
        ids_.clear();
        labels_.clear();
        windows_.clear();
        for (std::int64_t b = first; b < first + count; ++b) {
            windows_.push_back(b * 7 % window_count);  // an order of its own
            for (std::int64_t t = 0; t < config.T; ++t) {
                ids_.push_back(token(windows_.back() * config.T + t));
                labels_.push_back(token(windows_.back() * config.T + t + 1));
            }
        }
        return {count, config.T, ids_, labels_, windows_};
    }

private:
    static std::int32_t token(std::int64_t at) {
        return static_cast<std::int32_t>(Random(3, "tokens").bits(static_cast<std::uint64_t>(at)) %
                                         config.V);
    }
    std::vector<std::int32_t> ids_, labels_;
    std::vector<std::int64_t> windows_;
};

/// Two students and their trainer; the teacher is online, or cached as `settings` say.
struct Bench {
    explicit Bench(Backend& backend, const TeacherSettings& teacher_settings)
        : weights(backend, "teacher", dense_architecture(config), Use::inference),
          model(weights, "teacher", {2, config.T}, true) {
        initialise({{&weights, "random", 1}}, nullptr);
        Config c;
        c.teacher = teacher_settings;
        for (const char* form : {"lifted", "factored"}) {
            StudentSettings s;
            s.name = form;
            s.form = form;
            s.rank = {5};
            s.embedding_rank = 4;
            s.loss.tau = s.form == "lifted" ? 2.0 : 1.5;
            s.loss.clone = s.form == "lifted" ? 1.0 : 0.0;
            s.optim.lr = 1e-3;
            s.optim.schedule = "constant";
            c.students.push_back(s);
        }
        c.data.context = config.T;
        CacheNeeds needs = cache_needs(c, config);
        needs.windows = window_count;
        teacher = open_teacher(model, needs, {2, config.T}, world());
        std::vector<Initialisation> first;
        for (const StudentSettings& s : c.students) {
            students.push_back(std::make_unique<Student>(backend, s, config, teacher.get(),
                                                         BatchShape{2, config.T}, 10));
            first.push_back({&students.back()->weights, "svd", 2});
        }
        initialise(first, &weights);
        train.global_batch = 8;
        train.micro_batch = 2;
        trainer =
            std::make_unique<Trainer>(backend, world(), train, tokens, teacher.get(), students);
    }
    CachedTeacher& cached() { return dynamic_cast<CachedTeacher&>(*teacher); }

    /// Loss, its terms and norms of the students over `steps` steps.
    std::vector<double> run(std::int64_t steps) {
        std::vector<double> values;
        for (std::int64_t s = 1; s <= steps; ++s) {
            for (const StudentReport& r : trainer->step(s)) {
                values.insert(values.end(), {r.terms.loss, r.terms.kd, r.grad_norm});
            }
        }
        return values;
    }

    Weights weights;
    Gpt2 model;
    std::unique_ptr<Teacher> teacher;
    Students students;
    TrainSettings train;
    Windows tokens;
    std::unique_ptr<Trainer> trainer;
};

TeacherSettings memory(const std::string& precision, std::int64_t topk = 0) {
    TeacherSettings s;
    s.cache = "memory";
    s.cache_precision = precision;
    s.cache_topk = topk;
    return s;
}

CacheNeeds needs_of_all_taps() {
    CacheNeeds needs;
    needs.settings = memory("bf16");
    needs.teacher = config;
    needs.data.context = config.T;
    needs.clone_layers = {0, 1};
    return needs;
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b, double relative,
                 double absolute = 0.0) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        EXPECT_NEAR(a[i], b[i], relative * std::fabs(b[i]) + absolute) << i;
    }
}

TEST(CachedTeacher, LossesAndGradientsAreTheOnlineOnes) {
    CpuBackend backend;
    const std::vector<double> online = Bench(backend, {}).run(6);
    expect_near(Bench(backend, memory("fp32")).run(6), online, 1e-5);
    const std::vector<double> bf16 = Bench(backend, memory("bf16")).run(6);
    expect_near(bf16, online, 1e-2);
    EXPECT_NE(bf16, online);
    // The log-sum-exp has the rounding of fp32, of which a small KL knows.
    expect_near(Bench(backend, memory("fp32", config.V)).run(6), online, 2e-5, 1e-6);
}

TEST(CachedTeacher, ComputedOrReadTheSameBits) {
    CpuBackend backend;
    for (const std::int64_t topk : {0, 7}) {
        Bench bench(backend, memory("bf16", topk));
        const std::vector<double> computing = bench.run(3);
        EXPECT_GT(bench.cached().account().computed, 0);
        bench.cached().cache().share(world());
        Bench reader(backend, memory("bf16", topk));
        for (std::int64_t w = 0; w < window_count; ++w) {
            if (!bench.cached().cache().has(w) || !reader.cached().cache().claim(w)) {
                continue;
            }
            for (std::size_t f = 0; f < bench.cached().cache().layout().fields.size(); ++f) {
                std::vector<std::byte> values(bench.cached().cache().layout().field_bytes(f));
                bench.cached().cache().read(w, f, values);
                reader.cached().cache().write(w, f, values);
            }
            reader.cached().cache().commit(w);
        }
        reader.cached().cache().share(world());
        EXPECT_EQ(reader.run(3), computing);
        EXPECT_GT(reader.cached().account().read, 0);
        EXPECT_EQ(reader.cached().account().computed, 0);
    }
}

/// Whether a node can share memory is its own affair: nobody waits for the others about it.
TEST(CachedTeacher, OpensOnUnequalNodes) {
    CpuBackend backend;
    Weights weights(backend, "teacher", dense_architecture(config), Use::inference);
    Gpt2 model(weights, "teacher", {2, config.T}, true);
    CacheNeeds needs = needs_of_all_taps();
    needs.windows = 3;
    UnequalNodes nodes;
    const auto teacher = open_teacher(model, needs, {2, config.T}, nodes);
    world().barrier();
    EXPECT_EQ(dynamic_cast<CachedTeacher&>(*teacher).cache().present(), 0);
}

TEST(CachedTeacher, BiasOfTheKLargest) {
    CpuBackend backend;
    Bench bench(backend, {});
    std::vector<TopKBias> before(2);
    for (const std::int64_t K : {2, 8, 20}) {
        const auto bias =
            measure_top_k_bias(*bench.teacher, bench.students, bench.tokens, K, {2, config.T}, 4);
        for (std::size_t k = 0; k < 2; ++k) {
            EXPECT_LT(bias[k].bound, bias[k].exact);
            EXPECT_GT(bias[k].bound, before[k].bound);
            EXPECT_GT(bias[k].cosine, before[k].cosine);
            EXPECT_LT(bias[k].missing, K == 2 ? 1.0 : before[k].missing);
        }
        before = bias;
    }
    const auto all = measure_top_k_bias(*bench.teacher, bench.students, bench.tokens, config.V,
                                        {2, config.T}, 4);
    EXPECT_NEAR(all[0].bound, all[0].exact, 1e-6);
    EXPECT_NEAR(all[0].missing, 0.0, 1e-6);
    EXPECT_NEAR(all[0].cosine, 1.0, 1e-5);
}

TEST(CachedTeacher, AllocatesNothingInAStep) {
    SealedBackend backend;
    Bench bench(backend, memory("bf16", 7));
    backend.sealed = true;
    bench.run(4);
    EXPECT_GT(bench.cached().account().read, 0);
    backend.sealed = false;
}

TEST(CachedTeacher, RefusesWhatDoesNotFitTheMemory) {
    CpuBackend backend;
    Weights weights(backend, "teacher", dense_architecture(config), Use::inference);
    Gpt2 model(weights, "teacher", {2, config.T}, true);
    CacheNeeds needs = needs_of_all_taps();
    needs.windows = std::int64_t{1} << 40;
    SilentWorld alone(1, 1);
    EXPECT_ERROR(ExitCode::out_of_memory, "with none, and",
                 open_teacher(model, needs, {2, config.T}, alone));
    const TemporaryDirectory folder;
    needs.settings.cache = folder / "cache";
    EXPECT_ERROR(ExitCode::io, "with none, and", open_teacher(model, needs, {2, config.T}, alone));
    EXPECT_FALSE(std::filesystem::exists(needs.settings.cache));
}

}  // namespace
}  // namespace lrd::test
