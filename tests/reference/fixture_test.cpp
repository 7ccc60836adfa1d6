// SPDX-License-Identifier: MIT
// What PyTorch computed (lrc_torch.py), to 1e-4: students of each form, every loss term and
// reduction, all gradients, three updates of AdamW.
#include <gtest/gtest.h>

#include "model/device_step.hpp"
#include "reference/compare.hpp"
#include "reference/fixture.hpp"

namespace lrd::test {
namespace {

using reference::FixtureCase;
using reference::FixtureStudent;
using reference::Model;

constexpr double tolerance = 1e-4;

/// The gradient of c_attn's bias for the keys is exactly 0 (a soft-max does not see what is added
/// to all its scores). In fp32 it is rounding of the size of AdamW's eps, which makes steps of it.
void forget_key_bias(const reference::Sizes& sizes, Model& model) {
    const std::size_t width = sizes.H * sizes.D;
    for (std::size_t l = 0; l < sizes.L; ++l) {
        reference::Vector& bias = model.at("h." + std::to_string(l) + ".attn.c_attn.bias").data;
        std::fill_n(bias.begin() + static_cast<std::ptrdiff_t>(width), width, 0.0);
    }
}

class PyTorch : public testing::TestWithParam<std::string> {
protected:
    void first_update(const FixtureStudent& s, const FixtureCase& c,
                      const reference::DistillStep& step) const {
        expect_close("teacher's logits", step.teacher.logits, f_.teacher_logits, tolerance, 1.0);
        expect_close("logits", step.student.logits, s.logits, tolerance, 1.0);
        expect_close("kd", step.kd, s.kd, tolerance);
        expect_close("lm", step.lm, s.lm, tolerance);
        expect_close("loss", step.loss, c.loss, tolerance);
        ASSERT_EQ(step.clone_tap.size(), c.clone_tap.size());
        double clone = 0.0;
        for (std::size_t i = 0; i < c.clone_tap.size(); ++i) {
            expect_close("clone of a tap", step.clone_tap[i], c.clone_tap[i], tolerance);
            clone += c.clone_tap[i];
        }
        expect_close("clone", step.clone, clone, tolerance);
        expect_close("gradient", step.gradient, c.gradient, tolerance);
        expect_close("gradient's norm", step.grad_norm, c.grad_norm, tolerance);
    }

    const reference::Fixture f_ = reference::load_fixture();
    const std::unique_ptr<Backend> backend_ = make_backend("cpu");
};

TEST_P(PyTorch, AgreesOnLossesGradientsAndThreeUpdates) {
    const auto s = std::find_if(f_.students.begin(), f_.students.end(),
                                [](const FixtureStudent& x) { return x.name == GetParam(); });
    ASSERT_NE(s, f_.students.end());
    ASSERT_EQ(s->cases.size(), 6U);
    const BatchShape shape{static_cast<std::int64_t>(f_.batches[0].B),
                           static_cast<std::int64_t>(f_.batches[0].T)};
    int trained = 0;
    for (const FixtureCase& c : s->cases) {
        SCOPED_TRACE(c.losses.reduction + (c.losses.skip_first ? " without first" : ""));
        DeviceStep device(*backend_, f_.sizes, c.losses, to_settings(f_.optim), f_.teacher,
                          s->initial, shape, shape.rows());
        std::int64_t update = 0;
        trained += c.after.empty() ? 0 : 1;
        for (const reference::Batch& batch : f_.batches) {
            const reference::DistillStep step = device.run({batch}, c.variance);
            if (update == 0) {
                first_update(*s, c, step);
            }
            if (c.after.empty()) {
                break;
            }
            device.update(++update, step.grad_norm);
        }
        if (c.after.empty()) {
            continue;
        }
        Model after = device.parameters(), expected = c.after;
        forget_key_bias(f_.sizes, after);
        forget_key_bias(f_.sizes, expected);
        expect_close("after three updates", after, expected, tolerance, 1.0);
    }
    EXPECT_EQ(trained, 2);
}

INSTANTIATE_TEST_SUITE_P(Students, PyTorch,
                         testing::Values("lifted", "factored", "factored_dense_embedding", "dense"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace lrd::test
