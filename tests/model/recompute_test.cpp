// SPDX-License-Identifier: MIT
// train.recompute: the same bits from fewer bytes.
#include <gtest/gtest.h>

#include "core/check.hpp"
#include "model/device_step.hpp"
#include "reference/random_student.hpp"

namespace lrd::test {
namespace {

using namespace reference;

constexpr Sizes sizes{.L = 3, .C = 15, .H = 3, .D = 6, .F = 37, .T = 17, .V = 101};

struct Setting {
    std::string name;
    std::vector<LinearForm> forms;
    std::size_t embedding_rank;
    Losses losses;
    bool drops = false, masked = false;
};

void PrintTo(const Setting& s, std::ostream* out) { *out << s.name; }

const std::vector<LinearForm> mixed = {
    {"lifted", 1},  {"dense"}, {"factored", 2}, {"lifted", 7}, {"dense"}, {"factored", 6},
    {"lifted", 15}, {"dense"}, {"factored", 3}, {"dense"},     {"dense"}, {"lifted", 4}};
const Losses all_terms{.kd = 0.7, .lm = 1.3, .clone = 0.9, .tau = 2.0};
const Losses lm_alone{.kd = 0.0, .lm = 1.0, .clone = 0.0};

const Setting settings[] = {{"mixed", mixed, 5, all_terms},
                            {"lifted", {{"lifted", 6}}, 6, all_terms},
                            {"documents", mixed, 5, all_terms, false, true},
                            {"dropout", {{"factored", 6}}, 5, lm_alone, true},
                            {"dense_dropout_documents", {{"dense"}}, 0, lm_alone, true, true}};

/// Micro-batches; the second is smaller than what there is room for.
std::vector<Batch> batches_of(const Setting& s) {
    std::vector<Batch> out;
    for (const std::size_t T : {sizes.T, sizes.T - 4}) {
        out.push_back(random_batch(sizes, 2, T, 20 + static_cast<std::uint32_t>(T)));
        Batch& batch = out.back();
        if (s.drops) {
            batch.drop = {0.25, 0xfeedfacecafebeefULL, 5};
        }
        for (std::size_t row = 0; s.masked && row < batch.ids.size(); ++row) {
            batch.starts.push_back(row % T < 5 ? 0 : 5);
        }
    }
    return out;
}

class Recompute : public testing::TestWithParam<std::tuple<std::string, Setting>> {};

TEST_P(Recompute, GivesTheSameBits) {
    const auto& [precision, s] = GetParam();
    std::unique_ptr<Backend> backend;
    try {
        backend = make_backend("cpu", precision);
    } catch (const Error& error) {
        GTEST_SKIP() << error.what();
    }
    const Model teacher = random_teacher(sizes, 11);
    const Model student = random_student(sizes, teacher, s.forms, s.embedding_rank, 12);
    const auto step = [&](bool recompute) {
        DeviceStep device(*backend, sizes, s.losses, {}, teacher, student,
                          {2, static_cast<std::int64_t>(sizes.T)}, 7, recompute);
        return device.run(batches_of(s), Vector(2 * sizes.L, 1.7));
    };
    const DistillStep kept = step(false);
    const DistillStep again = step(true);
    EXPECT_EQ(again.loss, kept.loss);
    EXPECT_EQ(again.clone_tap.size(), kept.clone_tap.size());
    for (const auto& [name, gradient] : kept.gradient) {
        EXPECT_EQ(again.gradient.at(name).data, gradient.data) << name;
    }
    for (std::size_t i = 0; i < kept.student.taps.size(); ++i) {
        EXPECT_EQ(again.student.taps[i].data, kept.student.taps[i].data) << "tap " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Settings, Recompute,
                         testing::Combine(testing::Values(std::string("fp32"), std::string("bf16")),
                                          testing::ValuesIn(settings)),
                         [](const auto& test) {
                             return std::get<0>(test.param) + "_" + std::get<1>(test.param).name;
                         });

/// What one more layer takes: h_in, a (C each), att (H·D), log-sum-exps (H), four statistics and
/// the r of four linears.
TEST(RecomputeAlone, KeepsOfALayerItsInputsAndWhatIsNarrow) {
    for (const char* precision : {"fp32", "bf16"}) {
        const std::unique_ptr<Backend> backend = make_counting_backend(precision);
        const BatchShape shape{2, 17};
        constexpr std::int64_t r = 5;
        const auto bytes = [&](std::int64_t layers, bool recompute) {
            Sizes deep = sizes;
            deep.L = static_cast<std::size_t>(layers);
            Weights weights(*backend, "student",
                            low_rank_architecture(to_config(deep), "factored", {r}, 0),
                            Use::training);
            const Gpt2 model(weights, "student", shape, Keep{.recompute = recompute});
            return static_cast<std::int64_t>(model.arena().bytes());
        };
        const auto stored = static_cast<std::int64_t>(size_of(backend->stored()));
        const std::int64_t C = 15, H = 3, HD = 18, F = 37;
        const std::int64_t narrow = 4 * (2 * C + H + 4) + stored * (HD + 4 * r);
        const std::int64_t wide = 4 * C + stored * (2 * C + 3 * HD + 2 * F);  // h_mid; ln, qkv, …
        EXPECT_EQ(bytes(4, true) - bytes(3, true), shape.rows() * narrow);
        EXPECT_EQ(bytes(4, false) - bytes(3, false), shape.rows() * (narrow + wide));
    }
}

}  // namespace
}  // namespace lrd::test
