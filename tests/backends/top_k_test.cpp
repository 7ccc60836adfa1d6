// SPDX-License-Identifier: MIT
// A teacher known by its K largest logits: choosing them, and the loss against them.
#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

class TopKTest : public BackendTest {
protected:
    struct Top {
        View values, ids, lse;
    };

    Top choose(const Matrix& z, std::size_t K, double tau) {
        const Top top{out(z.rows, K), put(Ids(z.rows * K, -7)).reshape({size(z.rows), size(K)}),
                      out(z.rows)};
        const View at = put(z);
        backend().top_k(top.values, top.ids, at);
        backend().log_sum_exp(top.lse, at, static_cast<float>(tau));
        return top;
    }

    HeadLoss call(const Matrix& z_s, const Top& top, const Ids& labels, double tau) {
        HeadLoss args;
        args.z_s = put(z_s);
        args.labels = put(labels);
        args.kd = out(z_s.rows);
        args.lm = out(z_s.rows);
        args.tau = static_cast<float>(tau);
        args.w_kd = 0.75F;
        args.w_lm = 0.5F;
        args.scale = 0.125F;
        args.top_ids = top.ids;
        args.top_z = top.values;
        args.lse = top.lse;
        return args;
    }

    /// What the gradient's terms add up to without signs, at weights 0.75 and 0.5.
    static Vector sizes(const Matrix& z_s, const Matrix& z_t, const Ids& labels, double tau) {
        const auto top = reference::top_k(z_t, 5);
        const Vector lse = reference::log_sum_exp(z_t, tau);
        const Vector lse_s = reference::log_sum_exp(z_s, tau),
                     lse_1 = reference::log_sum_exp(z_s, 1.0);
        Vector out;
        for (std::size_t i = 0; i < z_s.rows; ++i) {
            Vector p(z_s.cols, 0.0);
            double m = 1.0, R = 1.0;
            for (std::size_t k = 0; k < 5; ++k) {
                const auto id = static_cast<std::size_t>(top.ids[i * 5 + k]);
                p[id] = std::exp(top.values(i, k) / tau - lse[i]);
                m -= p[id];
                R -= std::exp(z_s(i, id) / tau - lse_s[i]);
            }
            for (std::size_t j = 0; j < z_s.cols; ++j) {
                const double q = std::exp(z_s(i, j) / tau - lse_s[i]);
                const double hit = labels[i] == static_cast<std::int32_t>(j) ? 1.0 : 0.0;
                const double rest = z_s.cols > 5 ? std::max(m, 0.0) / R : 0.0;
                out.push_back(0.75 * tau * (q * (1.0 + rest) + p[j]) +
                              0.5 * (std::exp(z_s(i, j) - lse_1[i]) + hit));
            }
        }
        return out;
    }

    static std::int64_t size(std::size_t n) { return static_cast<std::int64_t>(n); }

    Ids padded_labels(std::size_t R, std::size_t V) {
        Ids labels = random_ids(R, V);
        labels[R / 2] = -1;
        return labels;
    }
};

TEST_P(TopKTest, TheLargestInOrder) {
    for (const std::size_t V : {1U, 3U, 257U, 1003U, 5003U}) {
        for (const std::size_t K : {std::size_t{1}, std::size_t{17}, V}) {
            if (K > V) {
                continue;
            }
            Matrix z = rounded(random(33, V, 1.0, -100.0));  // bf16 has many equal ones here
            for (double& value : z.data) {
                value = std::round(value * 4.0) / 4.0;
            }
            const Top top = choose(z, K, 2.0);
            const auto want = reference::top_k(z, K);
            expect_equal("values", get_vector(top.values), want.values.data);
            EXPECT_EQ(get_ids(top.ids.reshape({size(33 * K)})), want.ids) << V << " " << K;
            expect_close("lse", Op::loss, get_vector(top.lse), reference::log_sum_exp(z, 2.0),
                         Vector(33, 60.0));
        }
    }
}

TEST_P(TopKTest, LossAndGradient) {
    for (const std::size_t V : {5U, 257U, 5003U}) {
        for (const double tau : {1.0, 2.0, 3.5}) {
            for (const double mean : {0.0, -100.0}) {
                const Matrix z_s = random(9, V, 3.0, mean), z_t = random(9, V, 3.0, mean);
                const Ids labels = padded_labels(9, V);
                const HeadLoss args = call(z_s, choose(z_t, 5, tau), labels, tau);
                backend().head_loss(args);
                const auto want = reference::head_loss_top_k(z_s, reference::top_k(z_t, 5),
                                                             reference::log_sum_exp(z_t, tau),
                                                             labels, tau, 0.75, 0.5, 0.125);
                const double logit = 20.0 + std::fabs(mean);
                expect_close("kd", Op::loss, get_vector(args.kd), want.kd,
                             Vector(9, tau * tau * logit));
                expect_close("lm", Op::loss, get_vector(args.lm), want.lm, Vector(9, logit));
                expect_close("d_z", Op::loss_gradient, get_vector(args.z_s), want.d_z.data,
                             scaled(sizes(z_s, z_t, labels, tau), 0.125 * logit));
            }
        }
    }
}

TEST_P(TopKTest, AllOfThemAreTheExactLoss) {
    const Matrix z_s = random(7, 257, 3.0), z_t = random(7, 257, 3.0);
    const Ids labels = padded_labels(7, 257);
    const HeadLoss top = call(z_s, choose(z_t, 257, 2.0), labels, 2.0);
    HeadLoss exact = call(z_s, {}, labels, 2.0);
    exact.z_t = put(z_t);
    backend().head_loss(top);
    backend().head_loss(exact);
    expect_close("kd", Op::loss, get_vector(top.kd), get_vector(exact.kd), Vector(7, 80.0));
    expect_close("lm", Op::loss, get_vector(top.lm), get_vector(exact.lm), Vector(7, 20.0));
    expect_close("d_z", Op::loss_gradient, get_vector(top.z_s), get_vector(exact.z_s),
                 Vector(7 * 257, 0.25 * 20.0));
}

TEST_P(TopKTest, ABoundFromBelow) {
    const Matrix z_s = random(33, 257, 3.0), z_t = random(33, 257, 3.0);
    const Ids labels(33, 0);
    const Vector exact = reference::head_loss(z_s, z_t, labels, 2.0, 0.0, 0.0, 0.0).kd;
    Vector before(33, 0.0);
    for (const std::size_t K : {1U, 16U, 128U}) {
        const HeadLoss args = call(z_s, choose(z_t, K, 2.0), labels, 2.0);
        backend().head_loss(args);
        const Vector kd = get_vector(args.kd);
        for (std::size_t i = 0; i < kd.size(); ++i) {
            EXPECT_LT(kd[i], exact[i]);
            EXPECT_GT(kd[i], before[i]);  // more of the teacher, more of the loss
        }
        before = kd;
    }
}

TEST_P(TopKTest, AStudentWithNothingOutsideStaysFinite) {
    Matrix z_s(2, 257, -300.0);  // e^−300 is 0 in fp32
    z_s(0, 3) = z_s(1, 5) = 50.0;
    const HeadLoss args = call(z_s, choose(random(2, 257), 4, 1.0), {3, 3}, 1.0);
    backend().head_loss(args);
    for (const View& x : {args.kd, args.lm, args.z_s}) {
        for (const double value : get_vector(x)) {
            EXPECT_TRUE(std::isfinite(value));
        }
    }
}

LRD_ON_EVERY_BACKEND(TopKTest);

}  // namespace
}  // namespace lrd::test
