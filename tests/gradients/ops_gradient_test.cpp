// SPDX-License-Identifier: MIT
// The reference's backward functions against differences of its forward functions. The scalar is
// always Σ weight·output with random weights, whose gradient is backward(weights).
#include <gtest/gtest.h>

#include "gradients/finite_difference.hpp"
#include "reference/ops.hpp"

namespace lrd::test {
namespace {

using reference::Heads;
using reference::Ids;
using reference::Matrix;

Matrix random(std::size_t rows, std::size_t cols, unsigned seed, double scale = 1.0) {
    std::mt19937_64 generator(seed);
    std::normal_distribution<double> normal(0.0, scale);
    Matrix out(rows, cols);
    for (double& value : out.data) {
        value = normal(generator);
    }
    return out;
}

Matrix with(const Matrix& shape, const Vector& data) {
    Matrix out(shape);
    out.data = data;
    return out;
}

double dot(const Vector& a, const Vector& b) {
    double total = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        total += a[i] * b[i];
    }
    return total;
}

TEST(OpsGradient, MatmulBothOperandsAndBias) {
    const Matrix a = random(3, 5, 1), b = random(5, 4, 2), weight = random(3, 4, 3);
    const Vector bias = random(1, 4, 4).data;
    expect_gradient(
        "a",
        [&](const Vector& x) {
            return dot(reference::matmul(with(a, x), b, bias).data, weight.data);
        },
        a.data, reference::matmul(weight, reference::transpose(b)).data);
    expect_gradient(
        "b",
        [&](const Vector& x) {
            return dot(reference::matmul(a, with(b, x), bias).data, weight.data);
        },
        b.data, reference::matmul(reference::transpose(a), weight).data);
    expect_gradient(
        "bias", [&](const Vector& x) { return dot(reference::matmul(a, b, x).data, weight.data); },
        bias, reference::column_sums(weight));
}

TEST(OpsGradient, Gelu) {
    Matrix x = random(4, 9, 5, 2.0);
    x.data[0] = 0.0;
    x.data[1] = -6.0;
    x.data[2] = 6.0;
    const Matrix weight = random(4, 9, 6);
    expect_gradient(
        "x", [&](const Vector& v) { return dot(reference::gelu(with(x, v)).data, weight.data); },
        x.data, reference::gelu_backward(weight, x).data);
}

TEST(OpsGradient, EmbedWithRepeatedIds) {
    const Matrix table = random(5, 3, 7);
    const Ids ids{4, 0, 4, 2, 4, 0};
    const Matrix weight = random(ids.size(), 3, 8);
    expect_gradient(
        "table",
        [&](const Vector& v) {
            return dot(reference::embed(with(table, v), ids).data, weight.data);
        },
        table.data, reference::embed_backward(weight, ids, 5).data);
}

TEST(OpsGradient, Positions) {
    const Matrix x = random(6, 4, 9), positions = random(3, 4, 10), weight = random(6, 4, 11);
    expect_gradient(
        "positions",
        [&](const Vector& v) {
            return dot(reference::add_positions(x, with(positions, v)).data, weight.data);
        },
        positions.data, reference::add_positions_backward(weight, 3).data);
}

TEST(OpsGradient, LayerNormWithResidual) {
    for (const std::size_t C : {std::size_t{2}, std::size_t{7}}) {
        const Matrix x = random(3, C, 12), residual = random(3, C, 13), weight = random(3, C, 14);
        const Vector gamma = random(1, C, 15).data, beta = random(1, C, 16).data;
        const Matrix h = reference::layernorm(x, residual, gamma, beta).h;
        const auto gradient = reference::layernorm_backward(weight, h, gamma);
        expect_gradient(
            "x",
            [&](const Vector& v) {
                return dot(reference::layernorm(with(x, v), residual, gamma, beta).y.data,
                           weight.data);
            },
            x.data, gradient.d_h.data);
        expect_gradient(
            "residual",
            [&](const Vector& v) {
                return dot(reference::layernorm(x, with(residual, v), gamma, beta).y.data,
                           weight.data);
            },
            residual.data, gradient.d_h.data);
        expect_gradient(
            "gamma",
            [&](const Vector& v) {
                return dot(reference::layernorm(x, residual, v, beta).y.data, weight.data);
            },
            gamma, gradient.d_gamma);
        expect_gradient(
            "beta",
            [&](const Vector& v) {
                return dot(reference::layernorm(x, residual, gamma, v).y.data, weight.data);
            },
            beta, gradient.d_beta);
    }
}

TEST(OpsGradient, Attention) {
    for (const Heads shape : {Heads{2, 4, 2, 3}, Heads{1, 5, 3, 1}}) {
        const Matrix qkv = random(shape.B * shape.T, 3 * shape.H * shape.D, 17);
        const Matrix weight = random(shape.B * shape.T, shape.H * shape.D, 18);
        expect_gradient(
            "qkv",
            [&](const Vector& v) {
                return dot(reference::attention(with(qkv, v), shape).y.data, weight.data);
            },
            qkv.data, reference::attention_backward(weight, qkv, shape).data);
    }
}

TEST(OpsGradient, DropoutAlone) {
    const Matrix x = random(5, 7, 24), weight = random(5, 7, 25);
    const reference::Drop drop{0.4, 0x123456789abcdefULL, 1000};
    expect_gradient(
        "x",
        [&](const Vector& v) {
            return dot(reference::dropout(with(x, v), drop).data, weight.data);
        },
        x.data, reference::dropout(weight, drop).data);
}

TEST(OpsGradient, AttentionWithDropout) {
    const Heads shape{2, 5, 2, 3};
    const Matrix qkv = random(10, 18, 26), weight = random(10, 6, 27);
    const reference::Drop drop{0.3, 99, 7};
    expect_gradient(
        "qkv",
        [&](const Vector& v) {
            return dot(reference::attention(with(qkv, v), shape, drop).y.data, weight.data);
        },
        qkv.data, reference::attention_backward(weight, qkv, shape, drop).data);
}

TEST(OpsGradient, HeadLossOfEachTermAndTemperature) {
    const Matrix z_s = random(4, 6, 19, 2.0), z_t = random(4, 6, 20, 2.0);
    const Ids labels{3, -1, 0, 5};
    struct Weights {
        double tau, kd, lm, scale;
    };
    for (const Weights w : {Weights{1.0, 1.0, 0.0, 1.0}, Weights{2.0, 1.0, 0.0, 0.25},
                            Weights{1.0, 0.0, 1.0, 1.0}, Weights{3.5, 0.7, 0.3, 2.0}}) {
        const auto objective = [&](const Vector& v) {
            const auto loss = reference::head_loss(with(z_s, v), z_t, labels, w.tau, 0.0, 0.0, 0.0);
            return w.scale * (w.kd * reference::sum(loss.kd) + w.lm * reference::sum(loss.lm));
        };
        expect_gradient(
            "z_s", objective, z_s.data,
            reference::head_loss(z_s, z_t, labels, w.tau, w.kd, w.lm, w.scale).d_z.data);
    }
}

TEST(OpsGradient, HeadLossOfTheKLargest) {
    const Matrix z_s = random(4, 9, 19, 2.0), z_t = random(4, 9, 20, 2.0);
    const Ids labels{3, -1, 0, 8};
    for (const double tau : {1.0, 2.0, 3.5}) {
        for (const std::size_t K : {std::size_t{1}, std::size_t{4}, std::size_t{9}}) {
            const auto top = reference::top_k(z_t, K);
            const Vector lse = reference::log_sum_exp(z_t, tau);
            const auto loss = [&](const Matrix& z, double kd, double lm, double scale) {
                return reference::head_loss_top_k(z, top, lse, labels, tau, kd, lm, scale);
            };
            expect_gradient(
                "z_s",
                [&](const Vector& v) {
                    const auto at = loss(with(z_s, v), 0.0, 0.0, 0.0);
                    return 0.5 * (0.7 * reference::sum(at.kd) + 0.3 * reference::sum(at.lm));
                },
                z_s.data, loss(z_s, 0.7, 0.3, 0.5).d_z.data);
        }
    }
}

TEST(OpsGradient, CloneWithAndWithoutFirstPosition) {
    const Matrix s = random(6, 4, 21), t = random(6, 4, 22);
    for (const bool skip_first : {false, true}) {
        // The op's scale stands for 2·weight: d Σ|s − t|² = 2 (s − t).
        expect_gradient(
            "s",
            [&](const Vector& v) {
                return reference::clone_loss(with(s, v), t, 3, skip_first, 0.0).sum;
            },
            s.data, reference::clone_loss(s, t, 3, skip_first, 2.0).d_s.data);
    }
}

TEST(OpsGradient, SumOfSquares) {
    const Matrix x = random(1, 7, 23);
    Vector gradient(x.data);
    for (double& value : gradient) {
        value *= 2.0;
    }
    expect_gradient(
        "x", [](const Vector& v) { return reference::sum_squares(v); }, x.data, gradient);
}

}  // namespace
}  // namespace lrd::test
