// SPDX-License-Identifier: MIT
// The reference of the whole step: its gradients by central differences, and all of it against what
// PyTorch computed.
#include <gtest/gtest.h>

#include "gradients/finite_difference.hpp"
#include "reference/compare.hpp"
#include "reference/fixture.hpp"
#include "reference/random_student.hpp"

namespace lrd::test {
namespace {

using namespace reference;

struct Setting {
    std::string name;
    std::vector<LinearForm> forms;
    std::size_t embedding_rank;
    Losses losses;
    Teacher teacher = Teacher::plain;
    bool padding = false;
    double drop = 0.0;
};

// One of each form per layer, in every place of a block.
const std::vector<LinearForm> mixed = {{"lifted", 1}, {"dense"}, {"factored", 2},
                                       {"lifted", 7}, {"dense"}, {"factored", 6},
                                       {"lifted", 3}, {"dense"}};

const std::vector<Setting> settings = {
    {"lifted_mean", {{"lifted", 3}}, 4, {.kd = 0.7, .lm = 1.3, .clone = 0.9, .tau = 2.0}},
    {"lifted_sum_skip",
     {{"lifted", 2}},
     0,
     {.kd = 1.1, .lm = 0.2, .clone = 0.3, .tau = 1.0, .reduction = "sum", .skip_first = true}},
    {"factored_relative", {{"factored", 5}}, 3, {.tau = 4.0, .reduction = "relative"}},
    {"dense_relative_skip", {{"dense"}}, 0, {.reduction = "relative", .skip_first = true}},
    {"mixed_padding",
     mixed,
     1,
     {.kd = 0.5, .lm = 2.0, .clone = 3.0, .tau = 0.5},
     Teacher::plain,
     true},
    {"kd_alone", {{"lifted", 3}}, 5, {.kd = 1.0, .lm = 0.0, .clone = 0.0, .tau = 10.0}},
    {"lm_alone", {{"factored", 3}}, 5, {.kd = 0.0, .lm = 1.0, .clone = 0.0}},
    {"dropout", mixed, 5, {.kd = 0.0, .lm = 1.0, .clone = 0.5}, Teacher::plain, false, 0.3},
    {"clone_alone", mixed, 5, {.kd = 0.0, .lm = 0.0, .clone = 1.0}},
    {"outlier", {{"lifted", 3}}, 4, {.skip_first = true}, Teacher::outlier},
};

class StudentGradient : public testing::TestWithParam<Setting> {};

TEST_P(StudentGradient, IsTheSlopeAlongRandomDirections) {
    const Setting& setting = GetParam();
    const Sizes sizes{.L = 2, .C = 6, .H = 2, .D = 4, .F = 9, .T = 5, .V = 11};  // H·D ≠ C
    const Model teacher = random_teacher(sizes, 1, setting.teacher);
    Model student =
        random_student(sizes, teacher, setting.forms, setting.embedding_rank, 2, setting.teacher);
    Batch batch = random_batch(sizes, 2, 4, 3, setting.padding);
    batch.drop = {setting.drop, 42, 3};
    const Vector variance = tap_variance(sizes, teacher, batch, setting.losses.skip_first);
    const Model gradient =
        distill(sizes, setting.losses, student, teacher, batch, variance).gradient;
    ASSERT_EQ(gradient.size(), student.size());
    std::uint32_t seed = 100;
    for (auto& entry : student) {
        const std::string& name = entry.first;
        Matrix& value = entry.second;
        const Vector start = value.data;
        const auto loss = [&](const Vector& x) {
            value.data = x;
            return distill_loss(sizes, setting.losses, student, teacher, batch, variance);
        };
        const Vector& g = gradient.at(name).data;
        ASSERT_EQ(g.size(), start.size()) << name;
        const double size = std::sqrt(sum_squares(g));
        for (int trial = 0; trial < 3; ++trial) {
            Vector direction = random_matrix(1, g.size(), 1.0, ++seed).data;
            const double norm = std::sqrt(sum_squares(direction));
            double expected = 0.0;
            for (std::size_t i = 0; i < g.size(); ++i) {
                direction[i] /= norm;
                expected += g[i] * direction[i];
            }
            // Nearly orthogonal directions are held to 1e-7 of the gradient, tensors without a
            // gradient (ln_f where only the clone term counts) to rounding.
            EXPECT_NEAR(slope(loss, start, direction), expected,
                        1e-6 * std::max(std::fabs(expected), 0.1 * size) + 1e-11)
                << name << ", direction " << trial;
        }
        value.data = start;
    }
}

INSTANTIATE_TEST_SUITE_P(Settings, StudentGradient, testing::ValuesIn(settings),
                         [](const auto& test) { return test.param.name; });

TEST(RandomTeacher, OutlierTeacherHasOutliersAndLogitsNearMinus100) {
    const Sizes sizes{.L = 2, .C = 24, .H = 3, .D = 8, .F = 40, .T = 9, .V = 50};
    const Model teacher = random_teacher(sizes, 1, Teacher::outlier);
    const Model plain = random_teacher(sizes, 1);
    const Batch batch = random_batch(sizes, 2, 9, 2);
    const Model student = random_student(sizes, teacher, {{"lifted", 4}}, 5, 3, Teacher::outlier);
    for (const Model* model : {&teacher, &student}) {
        const Pass pass = forward(sizes, *model, teacher, batch);
        const double mean = sum(pass.logits.data) / static_cast<double>(pass.logits.data.size());
        EXPECT_NEAR(mean, -100.0, 15.0);
    }
    int outliers = 0;
    for (std::size_t j = 0; j < sizes.C; ++j) {
        const double ratio = teacher.at("wpe.weight")(0, j) / plain.at("wpe.weight")(0, j);
        outliers += ratio == 100.0 ? 1 : 0;
    }
    EXPECT_EQ(outliers, 3);
}

TEST(ReferenceStudent, AgreesWithPyTorch) {
    const Fixture f = load_fixture();
    ASSERT_EQ(f.students.size(), 4U);
    for (const FixtureStudent& s : f.students) {
        ASSERT_EQ(s.cases.size(), 6U) << s.name;
        for (const FixtureCase& c : s.cases) {
            const std::string what =
                s.name + " " + c.losses.reduction + (c.losses.skip_first ? " without first" : "");
            const Vector variance =
                tap_variance(f.sizes, f.teacher, f.batches[0], c.losses.skip_first);
            const DistillStep step =
                distill(f.sizes, c.losses, s.initial, f.teacher, f.batches[0], variance);
            expect_close(what + " teacher's logits", step.teacher.logits, f.teacher_logits, 1e-9);
            expect_close(what + " logits", step.student.logits, s.logits, 1e-9);
            expect_close(what + " kd", step.kd, s.kd, 1e-9);
            expect_close(what + " lm", step.lm, s.lm, 1e-9);
            expect_close(what + " loss", step.loss, c.loss, 1e-9);
            expect_close(what + " grad norm", step.grad_norm, c.grad_norm, 1e-9);
            for (std::size_t i = 0; i < 2 * f.sizes.L; ++i) {
                expect_close(what + " variance", variance[i], c.variance.at(i), 1e-9);
                expect_close(what + " clone", step.clone_tap[i], c.clone_tap.at(i), 1e-9);
            }
            expect_close(what + " gradient", step.gradient, c.gradient, 1e-6);  // stored in fp32
            if (c.after.empty()) {
                continue;
            }
            Model student = s.initial;
            AdamWState optim = f.optim;
            for (const Batch& batch : f.batches) {
                update(student,
                       distill(f.sizes, c.losses, student, f.teacher, batch, variance).gradient,
                       optim);
            }
            expect_close(what + " after", student, c.after, 1e-6);
        }
    }
}

}  // namespace
}  // namespace lrd::test
