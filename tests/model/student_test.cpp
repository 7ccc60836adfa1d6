// SPDX-License-Identifier: MIT
// A whole fp32 student against the fp64 reference: every form, loss term, reduction and τ, gradients
// of all trained tensors, on odd shapes; and beside a teacher with outliers.
#include <gtest/gtest.h>

#include "backends/tolerance.hpp"
#include "core/check.hpp"
#include "model/device_step.hpp"
#include "reference/compare.hpp"
#include "reference/random_student.hpp"

namespace lrd::test {
namespace {

using namespace reference;

struct Setting {
    std::string name;
    std::vector<LinearForm> forms;
    std::size_t embedding_rank;
    Losses losses;
    reference::Teacher teacher = reference::Teacher::plain;
    bool padding = false;
    std::size_t T = 13;  // of the batch; contexts are longer
    std::size_t micro_batches = 1;
    std::int64_t head_rows = 1000;
    Drop drop = {};
};

const std::vector<LinearForm> mixed = {{"lifted", 1},  {"dense"}, {"factored", 2},
                                       {"lifted", 7},  {"dense"}, {"factored", 6},
                                       {"lifted", 15}, {"dense"}};

/// Every form with every reduction, skip_first and τ in turn.
std::vector<Setting> make_settings() {
    std::vector<Setting> out;
    const double taus[] = {1.0, 2.0, 4.0, 0.5};
    std::size_t i = 0;
    for (const char* form : {"lifted", "factored", "dense"}) {
        for (const char* reduction : {"mean", "sum", "relative"}) {
            for (const bool skip : {false, true}) {
                Setting s{std::string(form) + "_" + reduction + (skip ? "_skip" : ""),
                          {{form, 1 + 3 * (i % 4)}},
                          i % 3 * 4,
                          {.kd = 0.7,
                           .lm = 1.3,
                           .clone = 0.9,
                           .tau = taus[i % 4],
                           .reduction = reduction,
                           .skip_first = skip}};
                s.padding = i % 4 == 3;
                s.micro_batches = 1 + i % 3;
                s.head_rows = i % 2 == 0 ? 1000 : 7;
                out.push_back(s);
                ++i;
            }
        }
    }
    out.push_back({"mixed", mixed, 5, {.tau = 3.0, .reduction = "relative", .skip_first = true}});
    out.push_back({"full_rank", {{"lifted", 15}}, 15, {}});
    out.push_back({"kd_alone", mixed, 5, {.kd = 1.0, .lm = 0.0, .clone = 0.0, .tau = 10.0}});
    out.push_back({"lm_alone", mixed, 0, {.kd = 0.0, .lm = 1.0, .clone = 0.0}});
    out.push_back({"clone_alone", mixed, 5, {.kd = 0.0, .lm = 0.0, .clone = 1.0}});
    for (const char* form : {"dense", "factored"}) {
        Setting s{std::string(form) + "_dropout", {{form, 6}}, 0, {.kd = 0.0, .clone = 0.0}};
        s.drop = {0.25, 0xfeedfacecafebeefULL, (std::uint64_t{1} << 33) + 5};
        out.push_back(s);
    }
    out.push_back({"one_token", mixed, 5, {}, reference::Teacher::plain, false, 1});
    for (const char* form : {"lifted", "factored", "dense"}) {
        out.push_back({std::string("outlier_") + form,
                       {{form, 6}},
                       form[0] == 'd' ? 0U : 6U,
                       {.kd = 1.0, .lm = 1.0, .clone = 1.0, .tau = 2.0},
                       reference::Teacher::outlier});
    }
    out.push_back({"outlier_skip",
                   {{"lifted", 6}},
                   6,
                   {.reduction = "relative", .skip_first = true},
                   reference::Teacher::outlier});
    return out;
}

// C is no multiple of anything and not H·D; V is odd; F is not 4 C.
constexpr Sizes sizes{.L = 2, .C = 15, .H = 3, .D = 6, .F = 37, .T = 17, .V = 101};

/// Micro-batches as the one batch that they are together.
Batch joined(const std::vector<Batch>& parts) {
    Batch all{0, parts[0].T, {}, {}, {}, parts[0].drop};
    for (const Batch& part : parts) {
        all.B += part.B;
        all.ids.insert(all.ids.end(), part.ids.begin(), part.ids.end());
        all.labels.insert(all.labels.end(), part.labels.begin(), part.labels.end());
    }
    return all;
}

void expect_logits(const std::string& what, const Matrix& z, const Matrix& expected) {
    ASSERT_EQ(z.data.size(), expected.data.size()) << what;
    for (std::size_t i = 0; i < z.data.size(); ++i) {
        ASSERT_NEAR(z.data[i], expected.data[i],
                    bound(Op::logits, Precision::fp32, 0.0,
                          std::max(1.0, std::fabs(expected.data[i])), expected.data[i]))
            << what << ", element " << i;
    }
}

class WholeStudent : public testing::TestWithParam<Setting> {};

TEST_P(WholeStudent, AgreesWithTheReference) {
    const Setting& s = GetParam();
    const Model teacher = random_teacher(sizes, 11, s.teacher);
    const Model student = random_student(sizes, teacher, s.forms, s.embedding_rank, 12, s.teacher);
    std::vector<Batch> parts;
    for (std::size_t i = 0; i < s.micro_batches; ++i) {
        parts.push_back(random_batch(sizes, 2, s.T, 20 + static_cast<std::uint32_t>(i), s.padding));
        parts.back().drop = s.drop;
    }
    const Batch all = joined(parts);
    const Vector variance = tap_variance(sizes, teacher, all, s.losses.skip_first);
    const DistillStep expected = distill(sizes, s.losses, student, teacher, all, variance);

    const std::unique_ptr<Backend> backend = make_backend("cpu");
    const BatchShape shape{2, static_cast<std::int64_t>(s.T)};
    DeviceStep device(*backend, sizes, s.losses, {}, teacher, student, shape, s.head_rows);
    const DistillStep step = device.run(parts, variance);

    const Pass last_teacher = forward(sizes, teacher, teacher, undropped(parts.back()));
    const Pass last_student = forward(sizes, student, teacher, parts.back());
    expect_logits("teacher's logits", step.teacher.logits, last_teacher.logits);
    expect_logits("logits", step.student.logits, last_student.logits);
    for (std::size_t i = 0; i < 2 * sizes.L; ++i) {
        expect_close("tap " + std::to_string(i), step.student.taps[i], last_student.taps[i], 1e-5);
    }
    expect_close("lm", step.lm, expected.lm, 1e-5);
    expect_close("loss", step.loss, expected.loss, 1e-5);
    if (s.losses.kd != 0.0) {
        expect_close("kd", step.kd, expected.kd, 1e-5);
    }
    if (s.losses.clone != 0.0) {
        expect_close("clone", step.clone, expected.clone, 1e-5);
        for (std::size_t i = 0; i < 2 * sizes.L; ++i) {
            expect_close("clone of a tap", step.clone_tap[i], expected.clone_tap[i], 1e-5);
        }
    }
    expect_close("gradient", step.gradient, expected.gradient, 2e-5, 1e-6);
    expect_close("gradient's norm", step.grad_norm, expected.grad_norm, 1e-5);
}

/// |a − b| over |b|, as vectors.
double distance(const Vector& a, const Vector& b) {
    double difference = 0.0, size = 0.0;
    for (std::size_t i = 0; i < b.size(); ++i) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        size += b[i] * b[i];
    }
    return std::sqrt(difference / size);
}

Model with_weights_in_bf16(Model model) {
    for (auto& [name, values] : model) {
        for (double& value : values.data) {
            value = reference::round_to_bf16(value);
        }
    }
    return model;
}

Vector all_of(const Model& gradient) {
    Vector all;
    for (const auto& [name, values] : gradient) {
        all.insert(all.end(), values.data.begin(), values.data.end());
    }
    return all;
}

/// Each rounding on the way is 2^-8 at most, and they do not all point one way. How much a model makes
/// of that is seen from the reference when nothing but its weights are rounded: outliers make more.
TEST_P(WholeStudent, AgreesInBf16ToItsRounding) {
    std::unique_ptr<Backend> backend;
    try {
        backend = make_backend("cpu", "bf16");
    } catch (const Error& error) {
        GTEST_SKIP() << error.what();
    }
    const Setting& s = GetParam();
    const Model teacher = random_teacher(sizes, 11, s.teacher);
    const Model student = random_student(sizes, teacher, s.forms, s.embedding_rank, 12, s.teacher);
    Batch batch = random_batch(sizes, 2, s.T, 20, s.padding);
    batch.drop = s.drop;
    const Vector variance = tap_variance(sizes, teacher, batch, s.losses.skip_first);
    const DistillStep expected = distill(sizes, s.losses, student, teacher, batch, variance);
    DeviceStep device(*backend, sizes, s.losses, {}, teacher, student,
                      {2, static_cast<std::int64_t>(s.T)}, s.head_rows);
    const DistillStep step = device.run({batch}, variance);
    expect_close("loss", step.loss, expected.loss, 2e-2);
    expect_close("lm", step.lm, expected.lm, 1e-2);
    const DistillStep rounded = distill(sizes, s.losses, with_weights_in_bf16(student),
                                        with_weights_in_bf16(teacher), batch, variance);
    const Vector want = all_of(expected.gradient);
    const double off = distance(all_of(step.gradient), want);
    EXPECT_LT(off, std::max(1e-2, 4.0 * distance(all_of(rounded.gradient), want)));
    EXPECT_GT(off, 1e-5) << "this was fp32";
}

INSTANTIATE_TEST_SUITE_P(Settings, WholeStudent, testing::ValuesIn(make_settings()),
                         [](const auto& test) { return test.param.name; });

TEST(WholeStudentAlone, TrainsWithoutATeacher) {
    const Losses losses{.kd = 0.0, .lm = 1.0, .clone = 0.0};
    const Model student = random_student(sizes, random_teacher(sizes, 1), {{"factored", 4}}, 3, 2);
    const Batch batch = random_batch(sizes, 3, 11, 3);
    const DistillStep expected = distill(sizes, losses, student, {}, batch);
    const std::unique_ptr<Backend> backend = make_backend("cpu");
    DeviceStep device(*backend, sizes, losses, {}, {}, student, {3, 11}, 1000);
    const DistillStep step = device.run({batch}, {});
    expect_close("loss", step.loss, expected.loss, 1e-5);
    EXPECT_TRUE(std::isnan(step.kd));
    EXPECT_TRUE(std::isnan(step.clone));
    expect_close("gradient", step.gradient, expected.gradient, 2e-5, 1e-6);
}

}  // namespace
}  // namespace lrd::test
