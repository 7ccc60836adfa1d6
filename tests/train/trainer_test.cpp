// SPDX-License-Identifier: MIT
// Trainer::step() on a backend whose memory the host cannot touch, and what a step may not do.
#include <gtest/gtest.h>

#include <cmath>

#include "backends/guarded_backend.hpp"
#include "core/random.hpp"
#include "expect_error.hpp"
#include "model/initialise.hpp"
#include "mpi/mpi_main.hpp"
#include "train/sealed_backend.hpp"
#include "train/trainer.hpp"

namespace lrd::test {
namespace {

constexpr Gpt2Config config{.L = 2, .C = 12, .H = 3, .D = 4, .F = 20, .T = 9, .V = 31};

class Tokens : public BatchSource {
public:
    std::int64_t context() const override { return config.T; }
    Batch sample(std::int64_t first, std::int64_t count) override {
        ids_.resize(static_cast<std::size_t>(count * config.T) + 1);
        for (std::size_t i = 0; i < ids_.size(); ++i) {
            const auto at = static_cast<std::uint64_t>(first * config.T) + i;
            ids_[i] = static_cast<std::int32_t>(Random(3, "tokens").bits(at) % config.V);
        }
        const std::size_t n = ids_.size() - 1;
        return {count, config.T, {ids_.data(), n}, {ids_.data() + 1, n}};
    }

private:
    std::vector<std::int32_t> ids_;
};

StudentSettings settings(const std::string& form, const std::string& reduction) {
    StudentSettings s;
    s.name = form;
    s.form = form;
    s.rank = {5};
    s.embedding_rank = form == "dense" ? 0 : 4;
    s.loss.clone_reduction = reduction;
    s.optim.lr = 1e-3;
    s.optim.schedule = "constant";
    return s;
}

/// Teacher, three students and their trainer on one backend.
struct Bench {
    explicit Bench(Backend& backend, bool reproducible = false, bool recompute = false)
        : teacher_weights(backend, "teacher", dense_architecture(config), Use::inference),
          teacher_model(teacher_weights, "teacher", {2, config.T}, true),
          teacher(teacher_model) {
        initialise({{&teacher_weights, "random", 1}}, nullptr);
        teacher_weights.materialise();
        std::vector<Initialisation> first;
        for (const StudentSettings& s : {settings("lifted", "relative"),
                                         settings("factored", "mean"), settings("dense", "sum")}) {
            students.push_back(std::make_unique<Student>(backend, s, config, &teacher,
                                                         BatchShape{2, config.T}, 10, recompute));
            first.push_back({&students.back()->weights, s.form == "dense" ? "random" : "svd", 2});
        }
        initialise(first, &teacher_weights);
        train.global_batch = 8;
        train.micro_batch = 2;
        trainer = std::make_unique<Trainer>(backend, world(), train, tokens, &teacher, students,
                                            reproducible);
        trainer->measure_tap_variance();
    }

    Weights teacher_weights;
    Gpt2 teacher_model;
    OnlineTeacher teacher;
    Students students;
    TrainSettings train;
    Tokens tokens;
    std::unique_ptr<Trainer> trainer;
};

std::vector<double> losses_of_steps(Backend& backend, bool reproducible, bool recompute = false) {
    Bench bench(backend, reproducible, recompute);
    std::vector<double> losses;
    for (std::int64_t s = 1; s <= 3; ++s) {
        for (const StudentReport& report : bench.trainer->step(s)) {
            losses.push_back(report.terms.loss);
            losses.push_back(report.grad_norm);
        }
    }
    return losses;
}

TEST(Trainer, NeverTouchesDeviceMemoryBehindTheBackend) {
    for (const bool reproducible : {false, true}) {
        GuardedCpuBackend guarded;
        CpuBackend plain;
        // Dies on a forbidden read.
        const std::vector<double> losses = losses_of_steps(guarded, reproducible);
        EXPECT_EQ(losses, losses_of_steps(plain, reproducible));
        for (const double loss : losses) {
            EXPECT_TRUE(std::isfinite(loss) && loss > 0.0);
        }
    }
}

/// Three students, four micro-batches, three updates.
TEST(Trainer, RecomputingActivationsChangesNoBit) {
    for (const char* precision : {"fp32", "bf16"}) {
        try {
            make_backend("cpu", precision);
        } catch (const Error&) {  // a processor without bf16
            continue;
        }
        const auto losses = [&](bool recompute) {
            return losses_of_steps(*make_backend("cpu", precision), false, recompute);
        };
        EXPECT_EQ(losses(true), losses(false)) << precision;
    }
}

TEST(Trainer, AllocatesNothingInAStep) {
    for (const bool recompute : {false, true}) {
        SealedBackend backend;
        Bench bench(backend, recompute, recompute);
        backend.sealed = true;
        bench.trainer->step(1);
        backend.sealed = false;
    }
}

TEST(Trainer, SkipsAnUpdateThatIsNotFinite) {
    CpuBackend backend;
    Bench bench(backend);
    Student& bad = *bench.students[1];
    const float nan = std::nanf("");
    backend.upload(bad.weights.parameters()("ln_f.bias").slice(0, 1), &nan);
    const auto before = [&](const Student& s) {
        std::vector<float> host(static_cast<std::size_t>(s.weights.parameters().flat.size()));
        backend.download(host.data(), s.weights.parameters().flat);
        return host;
    };
    const std::vector<float> bad_before = before(bad);
    const std::vector<float> good_before = before(*bench.students[0]);
    const auto& reports = bench.trainer->step(1);
    EXPECT_TRUE(reports[1].skipped);
    EXPECT_FALSE(reports[0].skipped);
    EXPECT_EQ(bad.skipped, 1);
    const std::vector<float> bad_after = before(bad);
    EXPECT_EQ(0,
              std::memcmp(bad_before.data(), bad_after.data(), bad_after.size() * sizeof(float)));
    EXPECT_NE(good_before, before(*bench.students[0]));
}

TEST(Trainer, RefusesWhatCannotBeSharedOut) {
    CpuBackend backend;
    Bench bench(backend);
    bench.train.global_batch = 7;
    EXPECT_ERROR(
        ExitCode::usage, "not a multiple of train.micro_batch",
        Trainer(backend, world(), bench.train, bench.tokens, &bench.teacher, bench.students));
    bench.train.global_batch = 2 * (world().size() - 1);
    if (bench.train.global_batch > 0) {
        EXPECT_ERROR(
            ExitCode::usage, "some would have no work",
            Trainer(backend, world(), bench.train, bench.tokens, &bench.teacher, bench.students));
    }
}

TEST(ShareOf, GivesWholeItemsInOrder) {
    EXPECT_EQ(share_of(16, 0, 3).last, 6);
    EXPECT_EQ(share_of(16, 1, 3).first, 6);
    EXPECT_EQ(share_of(16, 1, 3).last, 11);
    EXPECT_EQ(share_of(16, 2, 3).last, 16);
}

}  // namespace
}  // namespace lrd::test
