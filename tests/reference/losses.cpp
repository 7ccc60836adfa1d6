// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <numeric>

#include "reference/ops.hpp"

namespace lrd::reference {

namespace {

/// log softmax(z/τ) of row i.
Vector log_softmax(const Matrix& z, std::size_t i, double tau) {
    double largest = -INFINITY;
    for (std::size_t j = 0; j < z.cols; ++j) {
        largest = std::max(largest, z(i, j) / tau);
    }
    double total = 0.0;
    for (std::size_t j = 0; j < z.cols; ++j) {
        total += std::exp(z(i, j) / tau - largest);
    }
    Vector out(z.cols);
    for (std::size_t j = 0; j < z.cols; ++j) {
        out[j] = z(i, j) / tau - largest - std::log(total);
    }
    return out;
}

bool left_out(std::size_t row, std::size_t T, bool skip_first) {
    return skip_first && row % T == 0;
}

}  // namespace

HeadLossResult head_loss(const Matrix& z_s, const Matrix& z_t, const Ids& labels, double tau,
                         double w_kd, double w_lm, double scale) {
    HeadLossResult out{Vector(z_s.rows, 0.0), Vector(z_s.rows, 0.0), Matrix(z_s.rows, z_s.cols)};
    for (std::size_t i = 0; i < z_s.rows; ++i) {
        if (labels[i] < 0) {
            continue;
        }
        const auto label = static_cast<std::size_t>(labels[i]);
        const Vector log_p = log_softmax(z_s, i, 1.0);
        out.lm[i] = -log_p[label];
        for (std::size_t j = 0; j < z_s.cols; ++j) {
            out.d_z(i, j) += scale * w_lm * (std::exp(log_p[j]) - (j == label ? 1.0 : 0.0));
        }
        if (z_t.empty()) {
            continue;
        }
        const Vector log_s = log_softmax(z_s, i, tau);
        const Vector log_t = log_softmax(z_t, i, tau);
        for (std::size_t j = 0; j < z_s.cols; ++j) {
            out.kd[i] += tau * tau * std::exp(log_t[j]) * (log_t[j] - log_s[j]);
            out.d_z(i, j) += scale * w_kd * tau * (std::exp(log_s[j]) - std::exp(log_t[j]));
        }
    }
    return out;
}

Ids argmax_rows(const Matrix& z) {
    Ids best(z.rows, 0);
    for (std::size_t i = 0; i < z.rows; ++i) {
        for (std::size_t j = 1; j < z.cols; ++j) {
            if (z(i, j) > z(i, static_cast<std::size_t>(best[i]))) {
                best[i] = static_cast<std::int32_t>(j);
            }
        }
    }
    return best;
}

TopK top_k(const Matrix& z, std::size_t K) {
    TopK out{Matrix(z.rows, K), {}};
    for (std::size_t i = 0; i < z.rows; ++i) {
        std::vector<std::size_t> order(z.cols);
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return z(i, a) > z(i, b); });
        for (std::size_t k = 0; k < K; ++k) {
            out.values(i, k) = z(i, order[k]);
            out.ids.push_back(static_cast<std::int32_t>(order[k]));
        }
    }
    return out;
}

Vector log_sum_exp(const Matrix& z, double tau) {
    Vector out(z.rows);
    for (std::size_t i = 0; i < z.rows; ++i) {
        out[i] = z(i, 0) / tau - log_softmax(z, i, tau)[0];
    }
    return out;
}

HeadLossResult head_loss_top_k(const Matrix& z_s, const TopK& top, const Vector& lse,
                               const Ids& labels, double tau, double w_kd, double w_lm,
                               double scale) {
    HeadLossResult out = head_loss(z_s, {}, labels, tau, 0.0, w_lm, scale);
    const std::size_t K = top.values.cols;
    for (std::size_t i = 0; i < z_s.rows; ++i) {
        if (labels[i] < 0) {
            continue;
        }
        // Probabilities of the teacher; those of its rest stand at no token.
        Vector p(z_s.cols, 0.0);
        std::vector<bool> among(z_s.cols, false);
        double m = 1.0;
        for (std::size_t k = 0; k < K; ++k) {
            const auto id = static_cast<std::size_t>(top.ids[i * K + k]);
            p[id] = std::exp(top.values(i, k) / tau - lse[i]);
            among[id] = true;
            m -= p[id];
        }
        m = std::max(m, 0.0);
        const Vector log_s = log_softmax(z_s, i, tau);
        double rest = 0.0;
        for (std::size_t j = 0; j < z_s.cols; ++j) {
            if (among[j] && p[j] > 0.0) {
                out.kd[i] += tau * tau * p[j] * (std::log(p[j]) - log_s[j]);
            }
            rest += among[j] ? 0.0 : std::exp(log_s[j]);
        }
        rest = std::max(rest, 1e-30);
        out.kd[i] += m > 0.0 ? tau * tau * m * std::log(m / rest) : 0.0;
        for (std::size_t j = 0; j < z_s.cols; ++j) {
            const double q = std::exp(log_s[j]);
            out.d_z(i, j) += scale * w_kd * tau * (among[j] ? q - p[j] : q * (1.0 - m / rest));
        }
    }
    return out;
}

// By the definition: sort, then look the label up.
Ids label_ranks(const Matrix& z, const Ids& labels) {
    Ids ranks(z.rows, -1);
    std::vector<std::int32_t> order(z.cols);
    for (std::size_t i = 0; i < z.rows; ++i) {
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
            return z(i, static_cast<std::size_t>(a)) > z(i, static_cast<std::size_t>(b));
        });
        if (labels[i] >= 0) {
            const auto at = std::find(order.begin(), order.end(), labels[i]);
            ranks[i] = static_cast<std::int32_t>(at - order.begin());
        }
    }
    return ranks;
}

CloneResult clone_loss(const Matrix& s, const Matrix& t, std::size_t T, bool skip_first,
                       double scale) {
    CloneResult out{0.0, Matrix(s.rows, s.cols)};
    for (std::size_t i = 0; i < s.rows; ++i) {
        if (left_out(i, T, skip_first)) {
            continue;
        }
        for (std::size_t j = 0; j < s.cols; ++j) {
            const double difference = s(i, j) - t(i, j);
            out.sum += difference * difference;
            out.d_s(i, j) = scale * difference;
        }
    }
    return out;
}

Moments tap_moments(const Matrix& x, std::size_t T, bool skip_first) {
    Moments out{Vector(x.cols, 0.0), 0.0};
    for (std::size_t i = 0; i < x.rows; ++i) {
        if (left_out(i, T, skip_first)) {
            continue;
        }
        for (std::size_t j = 0; j < x.cols; ++j) {
            out.column_sums[j] += x(i, j);
            out.square_sum += x(i, j) * x(i, j);
        }
    }
    return out;
}

}  // namespace lrd::reference
