// SPDX-License-Identifier: MIT
#include "reference/ops.hpp"

#include <cmath>
#include <numbers>

namespace lrd::reference {

Matrix transpose(const Matrix& a) {
    Matrix out(a.cols, a.rows);
    for (std::size_t i = 0; i < a.rows; ++i) {
        for (std::size_t j = 0; j < a.cols; ++j) {
            out(j, i) = a(i, j);
        }
    }
    return out;
}

Vector absolute(const Vector& a) {
    Vector out(a);
    for (double& value : out) {
        value = std::fabs(value);
    }
    return out;
}

Matrix absolute(const Matrix& a) {
    Matrix out(a);
    out.data = absolute(a.data);
    return out;
}

Matrix matmul(const Matrix& a, const Matrix& b, const Vector& bias) {
    Matrix c(a.rows, b.cols);
    for (std::size_t i = 0; i < a.rows; ++i) {
        for (std::size_t j = 0; j < b.cols; ++j) {
            c(i, j) = bias.empty() ? 0.0 : bias[j];
        }
        for (std::size_t k = 0; k < a.cols; ++k) {
            for (std::size_t j = 0; j < b.cols; ++j) {
                c(i, j) += a(i, k) * b(k, j);
            }
        }
    }
    return c;
}

Matrix add(const Matrix& a, const Matrix& b) {
    Matrix out(a);
    for (std::size_t i = 0; i < out.data.size(); ++i) {
        out.data[i] += b.data[i];
    }
    return out;
}

Vector column_sums(const Matrix& x) {
    Vector sums(x.cols, 0.0);
    for (std::size_t i = 0; i < x.rows; ++i) {
        for (std::size_t j = 0; j < x.cols; ++j) {
            sums[j] += x(i, j);
        }
    }
    return sums;
}

namespace {
const double gelu_slope = std::sqrt(2.0 / std::numbers::pi);
}

Matrix gelu(const Matrix& x) {
    Matrix y(x);
    for (double& value : y.data) {
        const double inner = gelu_slope * (value + 0.044715 * value * value * value);
        value = 0.5 * value * (1.0 + std::tanh(inner));
    }
    return y;
}

Matrix gelu_backward(const Matrix& d_y, const Matrix& x) {
    Matrix d_x(d_y);
    for (std::size_t i = 0; i < x.data.size(); ++i) {
        const double value = x.data[i];
        const double inner = gelu_slope * (value + 0.044715 * value * value * value);
        const double d_inner = gelu_slope * (1.0 + 3.0 * 0.044715 * value * value);
        // sech² = 4/(e^u + e^−u)²: exact also where 1 − tanh² would cancel.
        const double sech = 1.0 / std::cosh(inner);
        d_x.data[i] *= 0.5 * (1.0 + std::tanh(inner)) + 0.5 * value * sech * sech * d_inner;
    }
    return d_x;
}

Matrix embed(const Matrix& table, const Ids& ids) {
    Matrix x(ids.size(), table.cols);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        for (std::size_t k = 0; k < table.cols; ++k) {
            x(i, k) = table(static_cast<std::size_t>(ids[i]), k);
        }
    }
    return x;
}

Matrix embed_backward(const Matrix& d_x, const Ids& ids, std::size_t V) {
    Matrix d_table(V, d_x.cols);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        for (std::size_t k = 0; k < d_x.cols; ++k) {
            d_table(static_cast<std::size_t>(ids[i]), k) += d_x(i, k);
        }
    }
    return d_table;
}

Matrix add_positions(const Matrix& x, const Matrix& positions) {
    Matrix out(x);
    for (std::size_t i = 0; i < x.rows; ++i) {
        for (std::size_t j = 0; j < x.cols; ++j) {
            out(i, j) += positions(i % positions.rows, j);
        }
    }
    return out;
}

Matrix add_positions_backward(const Matrix& d_x, std::size_t T) {
    Matrix d_positions(T, d_x.cols);
    for (std::size_t i = 0; i < d_x.rows; ++i) {
        for (std::size_t j = 0; j < d_x.cols; ++j) {
            d_positions(i % T, j) += d_x(i, j);
        }
    }
    return d_positions;
}

double sum(const Vector& x) {
    double total = 0.0;
    for (const double value : x) {
        total += value;
    }
    return total;
}

double sum_squares(const Vector& x) {
    double total = 0.0;
    for (const double value : x) {
        total += value * value;
    }
    return total;
}

void adamw(Vector& p, const Vector& grad, Vector& m, Vector& v, const AdamW& step) {
    for (std::size_t i = 0; i < p.size(); ++i) {
        const double g = step.grad_scale * grad[i];
        m[i] = step.beta1 * m[i] + (1.0 - step.beta1) * g;
        v[i] = step.beta2 * v[i] + (1.0 - step.beta2) * g * g;
        const double direction =
            (m[i] / step.correction1) / (std::sqrt(v[i] / step.correction2) + step.eps);
        p[i] -= step.lr * (direction + step.weight_decay * p[i]);
    }
}

void sgd(Vector& p, const Vector& grad, double lr, double weight_decay, double grad_scale) {
    for (std::size_t i = 0; i < p.size(); ++i) {
        p[i] -= lr * (grad_scale * grad[i] + weight_decay * p[i]);
    }
}

double round_to_bf16(double x) {
    if (x == 0.0 || !std::isfinite(x)) {
        return x;
    }
    int exponent = 0;
    std::frexp(x, &exponent);                       // |x| in [2^(e−1), 2^e)
    const int unit = std::max(exponent - 8, -133);  // 8 significant bits; subnormals below 2^−126
    const double rounded = std::ldexp(std::nearbyint(std::ldexp(x, -unit)), unit);
    const double largest = std::ldexp(255.0, 120);
    return std::fabs(rounded) > largest ? std::copysign(INFINITY, x) : rounded;
}

}  // namespace lrd::reference
