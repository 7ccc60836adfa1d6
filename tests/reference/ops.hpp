// SPDX-License-Identifier: MIT
// Every op of Backend once more: fp64, plain loops straight from the definition, no sharing with src.
// Tests compare devices with these, and these with finite differences. Backward functions return the
// gradient itself; where a Backend call accumulates, the test adds.
#pragma once

#include <array>
#include <cstdint>

#include "reference/matrix.hpp"

namespace lrd::reference {

// ---- products and pointwise
Matrix transpose(const Matrix& a);
Matrix absolute(const Matrix& a);
Vector absolute(const Vector& a);
Matrix matmul(const Matrix& a, const Matrix& b, const Vector& bias = {});  // (M,K)·(K,N) + (N)
Matrix add(const Matrix& a, const Matrix& b);
Vector column_sums(const Matrix& x);
Matrix gelu(const Matrix& x);  // x/2·(1 + tanh(sqrt(2/π)·(x + 0.044715·x³)))
Matrix gelu_backward(const Matrix& d_y, const Matrix& x);

// ---- dropout
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);
struct Drop {
    double rate = 0.0;
    std::uint64_t key = 0, first_row = 0;
};
/// 0 or 1/(1 − rate).
double drop_factor(const Drop& drop, std::size_t row, std::size_t column, std::size_t head = 0);
Matrix dropout(const Matrix& x, const Drop& drop);  // and its own backward

// ---- embedding
Matrix embed(const Matrix& table, const Ids& ids);                        // (V,K) → (N,K)
Matrix embed_backward(const Matrix& d_x, const Ids& ids, std::size_t V);  // (N,K) → (V,K)
Matrix add_positions(const Matrix& x, const Matrix& positions);           // (B·T,C) + (T,C)
Matrix add_positions_backward(const Matrix& d_x, std::size_t T);          // (B·T,C) → (T,C)

// ---- layer norm over rows, biased variance
struct LayerNormResult {
    Matrix y, h;
    Vector mean, rstd;
};
LayerNormResult layernorm(const Matrix& x, const Matrix& residual, const Vector& gamma,
                          const Vector& beta,
                          double epsilon = 1e-5);  // an empty residual is none

struct LayerNormGradient {
    Matrix d_h;
    Vector d_gamma, d_beta;
};
LayerNormGradient layernorm_backward(const Matrix& d_y, const Matrix& h, const Vector& gamma);

// ---- causal attention
struct Heads {
    std::size_t B, T, H, D;
};
struct AttentionResult {
    Matrix y;    // (B·T, H·D)
    Matrix lse;  // (B·H, T)
};
/// `drop` multiplies the probabilities: its row is the query, its column the key's place.
AttentionResult attention(const Matrix& qkv, Heads shape, const Drop& drop = {});  // (B·T, 3·H·D)
Matrix attention_backward(const Matrix& d_y, const Matrix& qkv, Heads shape,
                          const Drop& drop = {});  // (B·T, 3·H·D)

// ---- generation; row b·Tmax + j of a cache is position j of sequence b
void store_kv(Matrix& cache_k, Matrix& cache_v, const Matrix& qkv, Heads shape);  // (B·Tmax, H·D)
/// y (B, H·D) of one new token per sequence, qkv (B, 3·H·D), which goes to position lengths[b].
Matrix attention_decode(Matrix& cache_k, Matrix& cache_v, const Matrix& qkv, const Ids& lengths,
                        std::size_t H);

// ---- losses
struct HeadLossResult {
    Vector kd, lm;  // (R), without weights
    Matrix d_z;     // (R, V) gradient of scale·Σ(w_kd·kd + w_lm·lm)
};
/// An empty z_t is none. Rows with a label below 0 are padding.
HeadLossResult head_loss(const Matrix& z_s, const Matrix& z_t, const Ids& labels, double tau,
                         double w_kd, double w_lm, double scale);
Ids argmax_rows(const Matrix& z);  // first largest
/// The label's place in a stable descending sort of its row, from 0; −1 for a label below 0.
Ids label_ranks(const Matrix& z, const Ids& labels);

/// The K largest of each row, the largest first; of equal ones the first.
struct TopK {
    Matrix values;  // (R, K)
    Ids ids;        // R·K
};
TopK top_k(const Matrix& z, std::size_t K);
Vector log_sum_exp(const Matrix& z, double tau);
/// As head_loss, of a teacher known by `top` and its log-sum-exps; the rest is one bucket.
HeadLossResult head_loss_top_k(const Matrix& z_s, const TopK& top, const Vector& lse,
                               const Ids& labels, double tau, double w_kd, double w_lm,
                               double scale);

struct CloneResult {
    double sum = 0.0;
    Matrix d_s;
};
CloneResult clone_loss(const Matrix& s, const Matrix& t, std::size_t T, bool skip_first,
                       double scale);
struct Moments {
    Vector column_sums;
    double square_sum = 0.0;
};
Moments tap_moments(const Matrix& x, std::size_t T, bool skip_first);

// ---- reductions, optimisers, rounding
double sum(const Vector& x);
double sum_squares(const Vector& x);
struct AdamW {
    double lr, beta1, beta2, eps, weight_decay, correction1, correction2, grad_scale;
};
void adamw(Vector& p, const Vector& grad, Vector& m, Vector& v, const AdamW& step);
void sgd(Vector& p, const Vector& grad, double lr, double weight_decay, double grad_scale);
double round_to_bf16(double x);  // nearest, ties to even

}  // namespace lrd::reference
