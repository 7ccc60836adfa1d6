// SPDX-License-Identifier: MIT
#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

using reference::absolute;

class LayerNormTest : public BackendTest {
protected:
    /// First order error terms of x̂ = (h − mean)·rstd, per unit of rounding: h and mean are rounded
    /// at their own size, and rstd changes by rms(h)·rstd of its value.
    struct Size {
        Matrix h, x_hat;
        Vector mean, rstd;
    };
    static Size size_of_terms(const Matrix& size_h, const reference::LayerNormResult& result) {
        Size out{size_h, Matrix(size_h.rows, size_h.cols), Vector(size_h.rows),
                 Vector(size_h.rows)};
        const double width = static_cast<double>(size_h.cols);
        for (std::size_t i = 0; i < size_h.rows; ++i) {
            double squares = 0.0;
            for (std::size_t j = 0; j < size_h.cols; ++j) {
                out.mean[i] += size_h(i, j) / width;
                squares += size_h(i, j) * size_h(i, j) / width;
            }
            const double change = 1.0 + std::sqrt(squares) * result.rstd[i];
            out.rstd[i] = result.rstd[i] * change;
            for (std::size_t j = 0; j < size_h.cols; ++j) {
                out.x_hat(i, j) = (size_h(i, j) + out.mean[i] +
                                   std::fabs(result.h(i, j) - result.mean[i]) * change) *
                                  result.rstd[i];
            }
        }
        return out;
    }

    void check_forward(const Matrix& x, const Matrix& residual, double epsilon = 1e-5) {
        const std::size_t N = x.rows, C = x.cols;
        const Vector gamma = random_vector(C), beta = random_vector(C);
        LayerNorm args;
        args.y = out_stored(N, C);
        args.mean = out(N);
        args.rstd = out(N);
        args.x = put(x);
        args.gamma = put(gamma);
        args.beta = put(beta);
        args.epsilon = epsilon;
        if (!residual.empty()) {
            args.residual = put(residual);
            args.h = out(N, C);
        }
        backend().layernorm(args);

        const auto want = reference::layernorm(x, residual, gamma, beta, epsilon);
        const Matrix size_h =
            residual.empty() ? absolute(x) : reference::add(absolute(x), absolute(residual));
        const Size size = size_of_terms(size_h, want);
        Matrix size_y(size.x_hat);
        for (std::size_t i = 0; i < N; ++i) {
            for (std::size_t j = 0; j < C; ++j) {
                size_y(i, j) = size.x_hat(i, j) * std::fabs(gamma[j]) + std::fabs(beta[j]);
            }
        }
        const double K = static_cast<double>(C);
        const std::string shape =
            fmt::format("{}x{}{}", N, C, residual.empty() ? "" : " with residual");
        expect_close("mean " + shape, Op::layernorm, get_vector(args.mean), want.mean, size.mean,
                     K);
        expect_close("rstd " + shape, Op::layernorm, get_vector(args.rstd), want.rstd, size.rstd,
                     K);
        expect_close("y " + shape, Op::layernorm, get(args.y).data, want.y.data, size_y.data, K);
        if (!residual.empty()) {
            expect_close("h " + shape, Op::elementwise, get(args.h).data, want.h.data, size_h.data);
        }
    }

    void check_backward(const Matrix& h, bool frozen) {
        const std::size_t N = h.rows, C = h.cols;
        const Matrix d_y = random(N, C), before = random(N, C);
        const Vector gamma = random_vector(C), before_gamma = random_vector(C);
        const Vector before_beta = random_vector(C);
        const auto forward = reference::layernorm(h, {}, gamma, Vector(C, 0.0));
        LayerNormBackward args;
        args.d_h = put(before);
        args.d_y = put_stored(d_y);
        args.h = put(h);
        args.mean = put(forward.mean);
        args.rstd = put(forward.rstd);
        args.gamma = put(gamma);
        if (!frozen) {
            args.d_gamma = put(before_gamma);
            args.d_beta = put(before_beta);
        }
        backend().layernorm_backward(args);

        const auto want = reference::layernorm_backward(d_y, h, gamma);
        const Size size = size_of_terms(absolute(h), forward);
        Matrix size_h(absolute(before));
        Vector size_gamma(absolute(before_gamma));
        for (std::size_t i = 0; i < N; ++i) {
            double mean = 0.0, dot = 0.0;
            for (std::size_t j = 0; j < C; ++j) {
                const double g = std::fabs(d_y(i, j) * gamma[j]);
                mean += g / static_cast<double>(C);
                dot += g * size.x_hat(i, j) / static_cast<double>(C);
                size_gamma[j] += std::fabs(d_y(i, j)) * size.x_hat(i, j);
            }
            for (std::size_t j = 0; j < C; ++j) {
                const double g = std::fabs(d_y(i, j) * gamma[j]);
                size_h(i, j) += forward.rstd[i] * (g + mean + size.x_hat(i, j) * dot);
            }
        }
        const std::string shape = fmt::format("{}x{}{}", N, C, frozen ? " frozen" : "");
        expect_close("d_h " + shape, Op::layernorm_backward, get(args.d_h).data,
                     plus(before.data, want.d_h.data), size_h.data, static_cast<double>(C));
        if (!frozen) {
            expect_close("d_gamma " + shape, Op::column_sum, get_vector(args.d_gamma),
                         plus(before_gamma, want.d_gamma), size_gamma, static_cast<double>(N));
            expect_close("d_beta " + shape, Op::column_sum, get_vector(args.d_beta),
                         plus(before_beta, want.d_beta),
                         plus(absolute(before_beta), reference::column_sums(absolute(d_y))),
                         static_cast<double>(N));
        }
    }
};

TEST_P(LayerNormTest, ForwardWithAndWithoutResidual) {
    for (const std::size_t N : {1U, 3U, 31U, 33U, 130U}) {
        for (const std::size_t C : {1U, 5U, 48U, 768U}) {
            check_forward(random(N, C, 2.0, 0.5), {});
            check_forward(random(N, C, 2.0, 0.5), random(N, C));
        }
    }
}

TEST_P(LayerNormTest, ForwardWithOutlierChannels) {
    check_forward(with_outliers(random(33, 768)), random(33, 768));
    check_forward(with_outliers(random(3, 48)), {});
}

TEST_P(LayerNormTest, ForwardOfConstantRows) {
    check_forward(Matrix(3, 48, 0.0), {});
    check_forward(Matrix(3, 48, 4.0), {});
}

TEST_P(LayerNormTest, ForwardWithAMeanFarAboveTheSpread) {
    check_forward(random(5, 48, 1.0, 512.0), {});
}

TEST_P(LayerNormTest, ForwardWithAnEpsilonThatCounts) {
    check_forward(random(5, 48, 0.5), {}, 0.25);
    check_forward(random(5, 48, 1e-4), random(5, 48, 1e-4), 1e-6);
}

TEST_P(LayerNormTest, Backward) {
    for (const std::size_t N : {1U, 3U, 31U, 33U, 130U}) {
        for (const std::size_t C : {1U, 5U, 48U, 768U}) {
            if (N * C > 33 * 768) {
                continue;  // the reference takes the whole Jacobian
            }
            check_backward(random(N, C, 2.0, 0.5), false);
            check_backward(random(N, C, 2.0, 0.5), true);
        }
    }
}

TEST_P(LayerNormTest, BackwardWithOutlierChannels) {
    check_backward(with_outliers(random(33, 48)), false);
    check_backward(with_outliers(random(130, 48)), false);
}

LRD_ON_EVERY_BACKEND(LayerNormTest);

}  // namespace
}  // namespace lrd::test
