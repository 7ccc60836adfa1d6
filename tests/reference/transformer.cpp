// SPDX-License-Identifier: MIT
// Layer norm and causal attention, term by term.
#include <cmath>

#include "reference/ops.hpp"

namespace lrd::reference {

LayerNormResult layernorm(const Matrix& x, const Matrix& residual, const Vector& gamma,
                          const Vector& beta, double epsilon) {
    LayerNormResult out{Matrix(x.rows, x.cols), x, Vector(x.rows), Vector(x.rows)};
    if (!residual.empty()) {
        out.h = add(x, residual);
    }
    const double width = static_cast<double>(x.cols);
    for (std::size_t i = 0; i < x.rows; ++i) {
        double mean = 0.0;
        for (std::size_t j = 0; j < x.cols; ++j) {
            mean += out.h(i, j) / width;
        }
        double variance = 0.0;
        for (std::size_t j = 0; j < x.cols; ++j) {
            variance += (out.h(i, j) - mean) * (out.h(i, j) - mean) / width;
        }
        out.mean[i] = mean;
        out.rstd[i] = 1.0 / std::sqrt(variance + epsilon);
        for (std::size_t j = 0; j < x.cols; ++j) {
            out.y(i, j) = (out.h(i, j) - mean) * out.rstd[i] * gamma[j] + beta[j];
        }
    }
    return out;
}

// Jacobian of one row, with x̂ = (h − mean)·rstd: ∂x̂_j/∂h_k = rstd·(δ_jk − 1/C − x̂_j x̂_k/C).
LayerNormGradient layernorm_backward(const Matrix& d_y, const Matrix& h, const Vector& gamma) {
    const std::size_t C = h.cols;
    const double width = static_cast<double>(C);
    const LayerNormResult forward = layernorm(h, {}, Vector(C, 1.0), Vector(C, 0.0));
    const Matrix& x_hat = forward.y;
    LayerNormGradient out{Matrix(h.rows, C), Vector(C, 0.0), Vector(C, 0.0)};
    for (std::size_t i = 0; i < h.rows; ++i) {
        for (std::size_t j = 0; j < C; ++j) {
            out.d_gamma[j] += d_y(i, j) * x_hat(i, j);
            out.d_beta[j] += d_y(i, j);
            for (std::size_t k = 0; k < C; ++k) {
                const double identity = j == k ? 1.0 : 0.0;
                out.d_h(i, k) += d_y(i, j) * gamma[j] * forward.rstd[i] *
                                 (identity - 1.0 / width - x_hat(i, j) * x_hat(i, k) / width);
            }
        }
    }
    return out;
}

namespace {

/// One head of one sequence, by name instead of by column number.
struct Head {
    const Matrix& qkv;
    Heads shape;
    std::size_t b, h;

    std::size_t row(std::size_t t) const { return b * shape.T + t; }
    std::size_t column(std::size_t part, std::size_t d) const {
        return part * shape.H * shape.D + h * shape.D + d;
    }
    double q(std::size_t t, std::size_t d) const { return qkv(row(t), column(0, d)); }
    double k(std::size_t t, std::size_t d) const { return qkv(row(t), column(1, d)); }
    double v(std::size_t t, std::size_t d) const { return qkv(row(t), column(2, d)); }
    double scale() const { return 1.0 / std::sqrt(static_cast<double>(shape.D)); }

    /// Scores of query t with keys 0…t.
    Vector scores(std::size_t t) const {
        Vector out(t + 1, 0.0);
        for (std::size_t j = 0; j <= t; ++j) {
            for (std::size_t d = 0; d < shape.D; ++d) {
                out[j] += q(t, d) * k(j, d) * scale();
            }
        }
        return out;
    }
};

double log_sum_exp(const Vector& x) {
    double largest = x[0];
    for (const double value : x) {
        largest = std::max(largest, value);
    }
    double total = 0.0;
    for (const double value : x) {
        total += std::exp(value - largest);
    }
    return largest + std::log(total);
}

}  // namespace

AttentionResult attention(const Matrix& qkv, Heads shape, const Drop& drop) {
    AttentionResult out{Matrix(shape.B * shape.T, shape.H * shape.D),
                        Matrix(shape.B * shape.H, shape.T)};
    for (std::size_t b = 0; b < shape.B; ++b) {
        for (std::size_t h = 0; h < shape.H; ++h) {
            const Head head{qkv, shape, b, h};
            for (std::size_t t = 0; t < shape.T; ++t) {
                const Vector scores = head.scores(t);
                const double lse = log_sum_exp(scores);
                out.lse(b * shape.H + h, t) = lse;
                for (std::size_t j = 0; j <= t; ++j) {
                    const double p =
                        std::exp(scores[j] - lse) * drop_factor(drop, head.row(t), j, h);
                    for (std::size_t d = 0; d < shape.D; ++d) {
                        out.y(head.row(t), h * shape.D + d) += p * head.v(j, d);
                    }
                }
            }
        }
    }
    return out;
}

// Through the full Jacobian of the soft-max, ∂p_j/∂s_k = p_j (δ_jk − p_k): slow, and without the
// shortcut Σ_j p_j d_p_j = d_y·y that kernels take.
Matrix attention_backward(const Matrix& d_y, const Matrix& qkv, Heads shape, const Drop& drop) {
    Matrix d_qkv(qkv.rows, qkv.cols);
    for (std::size_t b = 0; b < shape.B; ++b) {
        for (std::size_t h = 0; h < shape.H; ++h) {
            const Head head{qkv, shape, b, h};
            for (std::size_t t = 0; t < shape.T; ++t) {
                const Vector scores = head.scores(t);
                const double lse = log_sum_exp(scores);
                Vector p(t + 1), d_p(t + 1, 0.0);
                for (std::size_t j = 0; j <= t; ++j) {
                    p[j] = std::exp(scores[j] - lse);
                    const double factor = drop_factor(drop, head.row(t), j, h);
                    for (std::size_t d = 0; d < shape.D; ++d) {
                        const double upstream = d_y(head.row(t), h * shape.D + d) * factor;
                        d_p[j] += upstream * head.v(j, d);
                        d_qkv(head.row(j), head.column(2, d)) += p[j] * upstream;
                    }
                }
                for (std::size_t k = 0; k <= t; ++k) {
                    double d_score = 0.0;
                    for (std::size_t j = 0; j <= t; ++j) {
                        d_score += d_p[j] * p[j] * ((j == k ? 1.0 : 0.0) - p[k]);
                    }
                    for (std::size_t d = 0; d < shape.D; ++d) {
                        d_qkv(head.row(t), head.column(0, d)) +=
                            d_score * head.k(k, d) * head.scale();
                        d_qkv(head.row(k), head.column(1, d)) +=
                            d_score * head.q(t, d) * head.scale();
                    }
                }
            }
        }
    }
    return d_qkv;
}

void store_kv(Matrix& cache_k, Matrix& cache_v, const Matrix& qkv, Heads s) {
    const std::size_t room = cache_k.rows / s.B, width = s.H * s.D;
    for (std::size_t b = 0; b < s.B; ++b) {
        for (std::size_t t = 0; t < s.T; ++t) {
            for (std::size_t c = 0; c < width; ++c) {
                cache_k(b * room + t, c) = qkv(b * s.T + t, width + c);
                cache_v(b * room + t, c) = qkv(b * s.T + t, 2 * width + c);
            }
        }
    }
}

Matrix attention_decode(Matrix& cache_k, Matrix& cache_v, const Matrix& qkv, const Ids& lengths,
                        std::size_t H) {
    const std::size_t B = lengths.size(), width = cache_k.cols, D = width / H;
    const std::size_t room = cache_k.rows / B;
    Matrix y(B, width);
    for (std::size_t b = 0; b < B; ++b) {
        const auto length = static_cast<std::size_t>(lengths[b]);
        for (std::size_t c = 0; c < width; ++c) {
            cache_k(b * room + length, c) = qkv(b, width + c);
            cache_v(b * room + length, c) = qkv(b, 2 * width + c);
        }
        for (std::size_t h = 0; h < H; ++h) {
            Vector scores(length + 1, 0.0);
            for (std::size_t j = 0; j <= length; ++j) {
                for (std::size_t d = h * D; d < (h + 1) * D; ++d) {
                    scores[j] += qkv(b, d) * cache_k(b * room + j, d);
                }
                scores[j] /= std::sqrt(static_cast<double>(D));
            }
            const double lse = log_sum_exp(scores);
            for (std::size_t j = 0; j <= length; ++j) {
                for (std::size_t d = h * D; d < (h + 1) * D; ++d) {
                    y(b, d) += std::exp(scores[j] - lse) * cache_v(b * room + j, d);
                }
            }
        }
    }
    return y;
}

}  // namespace lrd::reference
