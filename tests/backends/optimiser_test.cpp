// SPDX-License-Identifier: MIT
#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

using reference::absolute;

const std::size_t sizes[] = {1, 3, 31, 33, 1003, 40001};

class OptimiserTest : public BackendTest {
protected:
    /// Two steps, so that the second starts from moments that the first has made.
    void check_adamw(const std::string& what, Vector p, const Vector& grad, AdamWStep step) {
        const reference::AdamW same{step.lr,          step.beta1,        step.beta2,
                                    step.eps,         step.weight_decay, step.correction1,
                                    step.correction2, step.grad_scale};
        const std::size_t n = p.size();
        Vector m = random_vector(n, 0.1), v = absolute(random_vector(n, 0.1));
        const View at_p = put(p), at_grad = put(grad), at_m = put(m), at_v = put(v);
        Vector size_p(absolute(p)), size_m(absolute(m));
        for (int round = 0; round < 2; ++round) {
            backend().adamw(at_p, at_grad, at_m, at_v, step);
            for (std::size_t i = 0; i < n; ++i) {
                size_m[i] = same.beta1 * size_m[i] +
                            (1.0 - same.beta1) * std::fabs(same.grad_scale * grad[i]);
            }
            reference::adamw(p, grad, m, v, same);
            for (std::size_t i = 0; i < n; ++i) {
                size_p[i] += same.lr * (size_m[i] / same.correction1 /
                                            (std::sqrt(v[i] / same.correction2) + same.eps) +
                                        same.weight_decay * size_p[i]);
            }
        }
        expect_close("p " + what, Op::optimiser, get_vector(at_p), p, size_p);
        expect_close("m " + what, Op::optimiser, get_vector(at_m), m, size_m);
        expect_close("v " + what, Op::optimiser, get_vector(at_v), v, v);
        expect_equal("grad " + what, get_vector(at_grad), grad);
    }
};

TEST_P(OptimiserTest, AdamWOfEverySize) {
    for (const std::size_t n : sizes) {
        check_adamw(fmt::format("n {}", n), random_vector(n), random_vector(n),
                    {3e-4F, 0.9F, 0.999F, 1e-8F, 0.01F, 0.1F, 0.001F, 1.0F});
    }
}

TEST_P(OptimiserTest, AdamWUsesEachOfItsNumbers) {
    const AdamWStep base{0.05F, 0.8F, 0.99F, 1e-2F, 0.1F, 0.36F, 0.0199F, 0.25F};
    check_adamw("base", random_vector(33), random_vector(33), base);
    AdamWStep other = base;
    other.weight_decay = 0.0F;
    check_adamw("no decay", random_vector(33), random_vector(33), other);
    other = base;
    other.grad_scale = 1e-3F;
    check_adamw("clipped", random_vector(33), random_vector(33, 1e3), other);
    other = base;
    other.eps = 1.0F;
    check_adamw("large eps", random_vector(33), random_vector(33), other);
}

TEST_P(OptimiserTest, AdamWOfAZeroGradientAndZeroMomentsOnlyDecays) {
    const View p = put(Vector(33, 2.0)), grad = put(Vector(33, 0.0));
    const View m = put(Vector(33, 0.0)), v = put(Vector(33, 0.0));
    backend().adamw(p, grad, m, v, {0.5F, 0.9F, 0.999F, 1e-8F, 0.25F, 0.1F, 0.001F, 1.0F});
    EXPECT_EQ(get_vector(p), Vector(33, 1.75));
    EXPECT_EQ(get_vector(m), Vector(33, 0.0));
}

TEST_P(OptimiserTest, Sgd) {
    for (const std::size_t n : sizes) {
        for (const double decay : {0.0, 0.125}) {
            Vector p = random_vector(n);
            const Vector grad = random_vector(n), size = plus(absolute(p), absolute(grad));
            const View at_p = put(p), at_grad = put(grad);
            backend().sgd(at_p, at_grad, 0.25F, static_cast<float>(decay), 0.5F);
            reference::sgd(p, grad, 0.25, decay, 0.5);
            expect_close("p", Op::optimiser, get_vector(at_p), p, size);
            expect_equal("grad", get_vector(at_grad), grad);
        }
    }
}

LRD_ON_EVERY_BACKEND(OptimiserTest);

}  // namespace
}  // namespace lrd::test
