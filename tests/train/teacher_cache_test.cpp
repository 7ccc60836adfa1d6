// SPDX-License-Identifier: MIT
// Sizes of a teacher cache, its folder, and a trainer whose teacher looks up what it has seen.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "core/random.hpp"
#include "expect_error.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "model/initialise.hpp"
#include "mpi/mpi_main.hpp"
#include "temporary_directory.hpp"
#include "train/open_teacher_cache.hpp"
#include "train/teacher_cache_files.hpp"
#include "train/top_k_bias.hpp"
#include "train/trainer.hpp"

namespace lrd::test {
namespace {

TEST(TeacherCacheSize, OfGpt2SmallOnWikiText2) {
    const Gpt2Config gpt2;
    TeacherSettings s;
    constexpr std::int64_t windows = 2337, T = 1024;
    const TeacherCacheSize all = teacher_cache_size(s, gpt2, windows, T, 1);
    EXPECT_EQ(all.hidden, windows * T * 1536);  // 1.5 KB a token
    EXPECT_EQ(all.clone(), windows * T * 36864);
    EXPECT_EQ(all.top_k, 0);
    EXPECT_EQ(all.per_layer, windows * T * 3072);
    s.cache_clone = "0,5";
    s.cache_topk = 64;
    const TeacherCacheSize top = teacher_cache_size(s, gpt2, windows, T, 2);
    EXPECT_EQ(top.hidden, 0);
    EXPECT_EQ(top.top_k, windows * T * (64 * 8 + 2 * 4));
    EXPECT_EQ(top.taps[5], top.per_layer);
    EXPECT_EQ(top.taps[1], 0);
    EXPECT_EQ(top.total(), top.top_k + 2 * top.per_layer);
    EXPECT_EQ(describe(all, "all"),
              "91.9 GB with teacher.cache_clone = all; 3.7 GB with none, and 7.4 GB more for each "
              "layer");
    s.cache_precision = "fp32";
    EXPECT_EQ(teacher_cache_size(s, gpt2, windows, T, 2).per_layer, 2 * top.per_layer);
}

TEST(TeacherCacheSize, Layers) {
    EXPECT_EQ(clone_layers("all", 3), (std::vector<std::int64_t>{0, 1, 2}));
    EXPECT_TRUE(clone_layers("none", 3).empty());
    EXPECT_EQ(clone_layers("2,0,2", 3), (std::vector<std::int64_t>{0, 2}));
    for (const char* bad : {"", "0,", "x", "0;1", "-1", "3"}) {
        EXPECT_THROW(clone_layers(bad, 3), Error) << bad;
    }
}

TEST(TeacherCacheSize, PaysBackWhereReadingIsCheaper) {
    const Gpt2Config gpt2;
    TeacherSettings s;
    s.cache_clone = "none";
    const CachePayback exact = cache_payback(s, gpt2, 1024, 1, {4e11});
    EXPECT_NEAR(exact.teacher_s * 4e11 / 1e6, 189.0, 2.0);  // MFLOP of the blocks
    EXPECT_NEAR(exact.read_s, 1536e-9, 1e-12);
    EXPECT_GT(exact.epochs, 0.0);
    EXPECT_LT(exact.epochs, 0.02);
    s.cache_topk = 64;
    EXPECT_NEAR(cache_payback(s, gpt2, 1024, 1, {4e11}).teacher_s * 4e11 / 1e6, 266.0, 2.0);
    EXPECT_LT(cache_payback(s, gpt2, 1024, 1, {1e18}).epochs, 0.0);  // never
}

// ---- folders

CacheLayout layout() {
    return {{{"hidden", DType::bf16, 3}, {"taps/1/hidden", DType::f32, 2}}, 5, 4};
}

void put(TeacherCache& cache, std::int64_t window) {
    for (std::size_t field = 0; field < 2; ++field) {
        std::vector<std::byte> values(cache.layout().field_bytes(field),
                                      static_cast<std::byte>(16 + window + 8 * (field == 0)));
        cache.write(window, field, values);
    }
    cache.commit(window);
}

void expect_window(TeacherCache& cache, std::int64_t window) {
    ASSERT_TRUE(cache.has(window));
    for (std::size_t field = 0; field < 2; ++field) {
        std::vector<std::byte> values(cache.layout().field_bytes(field));
        cache.read(window, field, values);
        for (const std::byte value : values) {
            ASSERT_EQ(value, static_cast<std::byte>(16 + window + 8 * (field == 0)));
        }
    }
}

TEST(FileCache, WindowsAreThereOncePublished) {
    const TemporaryDirectory folder;
    FileCache writer(folder.path(), "digest", layout(), 0);
    put(writer, 3);
    put(writer, 1);
    EXPECT_FALSE(writer.has(3));
    EXPECT_FALSE(writer.wants(3));  // on its way
    EXPECT_TRUE(writer.wants(0));
    FileCache reader(folder.path(), "digest", layout(), 1);
    EXPECT_EQ(reader.present(), 0);
    writer.publish();
    EXPECT_EQ(reader.present(), 0);
    reader.refresh();
    EXPECT_EQ(reader.present(), 2);
    put(reader, 0);  // two writers, each with parts of its own
    reader.publish();
    put(writer, 4);
    put(writer, 2);
    writer.publish();
    reader.refresh();
    EXPECT_TRUE(reader.complete());
    for (std::int64_t w = 0; w < 5; ++w) {
        expect_window(reader, w);
    }
    for (std::int64_t w = 0; w < 5; ++w) {
        expect_window(reader, w);  // once more: now without a checksum
    }
    EXPECT_EQ(FileCache(folder.path(), "digest", layout(), 7).present(), 5);
}

TEST(FileCache, WhatIsNotPublishedIsNowhere) {
    const TemporaryDirectory folder;
    {
        FileCache writer(folder.path(), "digest", layout(), 0);
        put(writer, 3);
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(FileCache, RefusesPartsOfOthers) {
    const TemporaryDirectory folder;
    {
        FileCache writer(folder.path(), "digest", layout(), 0);
        put(writer, 3);
        writer.publish();
    }
    EXPECT_ERROR(ExitCode::bad_data, "part-0000-00000.h5: is a part of another cache",
                 FileCache(folder.path(), "other", layout(), 0));
    CacheLayout wider = layout();
    wider.fields[1].width = 3;
    EXPECT_ERROR(ExitCode::bad_data, "taps/1/hidden is not what the cache says",
                 FileCache(folder.path(), "digest", wider, 0));
    CacheLayout shorter = layout();
    shorter.windows = 3;
    EXPECT_ERROR(ExitCode::bad_data, "window 3 is not in [0, 3)",
                 FileCache(folder.path(), "digest", shorter, 0));
}

// ---- a trainer

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

/// A backend that refuses to give memory once told so.
class SealedBackend : public CpuBackend {
public:
    void* allocate(std::size_t bytes) override {
        EXPECT_FALSE(sealed) << bytes << " bytes inside a step";
        return CpuBackend::allocate(bytes);
    }
    bool sealed = false;
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
        Bench reader(backend, memory("bf16", topk));
        for (std::int64_t w = 0; w < window_count; ++w) {
            if (!bench.cached().cache().has(w)) {
                continue;
            }
            for (std::size_t f = 0; f < bench.cached().cache().layout().fields.size(); ++f) {
                std::vector<std::byte> values(bench.cached().cache().layout().field_bytes(f));
                bench.cached().cache().read(w, f, values);
                reader.cached().cache().write(w, f, values);
            }
            reader.cached().cache().commit(w);
        }
        EXPECT_EQ(reader.run(3), computing);
        EXPECT_GT(reader.cached().account().read, 0);
        EXPECT_EQ(reader.cached().account().computed, 0);
    }
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
    CacheNeeds needs;
    needs.settings = memory("bf16");
    needs.teacher = config;
    needs.data.context = config.T;
    needs.clone_layers = {0, 1};
    needs.windows = std::int64_t{1} << 40;
    EXPECT_ERROR(ExitCode::out_of_memory, "with none, and",
                 open_teacher(model, needs, {2, config.T}, world()));
    const TemporaryDirectory folder;
    needs.settings.cache = folder / "cache";
    EXPECT_ERROR(ExitCode::io, "with none, and",
                 open_teacher(model, needs, {2, config.T}, world()));
    EXPECT_FALSE(std::filesystem::exists(needs.settings.cache));
}

}  // namespace
}  // namespace lrd::test
