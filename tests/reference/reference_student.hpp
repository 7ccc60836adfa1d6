// SPDX-License-Identifier: MIT
// The distillation step once more, whole: fp64, with a backward pass by hand, no sharing with src.
// Linears are merged into one matrix before they are used, so nothing here takes the ways of the
// project's forms. Letters are those of the design: N = B·T rows.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "reference/ops.hpp"

namespace lrd::reference {

struct Sizes {
    std::size_t L, C, H, D, F, T, V;
};

/// Tensors under their names in files. Vectors are matrices of one row. A linear is what its names
/// say: `.weight` (n, m), `.A` (m, r) and `.B` (r, n), or `.P_l` (r, m) and `.P_r` (n, r); the
/// embedding is `wte.weight` (V, C), or `wte.Ce` (V, re) and `wte.De` (re, C).
using Model = std::map<std::string, Matrix>;

bool is_vector(const std::string& name);  // biases and LayerNorms: no weight decay

struct LinearSize {
    std::string name;  // "h.0.attn.c_attn"
    std::size_t m, n;  // outputs, inputs
};
std::vector<LinearSize> linear_sizes(const Sizes& sizes);  // 4 L, in the order of the forward pass

struct Batch {
    std::size_t B, T;
    Ids ids, labels;  // (B·T); a label below 0 is padding, whose row counts in the mean
    Ids starts = {};  // (B·T) for a device, whose mean is then over scored rows; ignored here
    Drop drop = {};   // of the student; its key is the model's, from which each place has one
};

Batch undropped(Batch batch);  // teachers never drop

struct Losses {
    double kd = 1.0, lm = 1.0, clone = 1.0, tau = 2.0;
    std::string reduction = "mean";  // Σ(s−t)² of a tap over rows × channels, divided by
                                     // mean: rows·C   sum: rows   relative: rows·tr Cov(t)
    bool skip_first = false;         // without position 0; `rows` counts the others
};

struct Pass {
    Matrix hidden, logits;     // (N, C) after ln_f, (N, V)
    std::vector<Matrix> taps;  // h_0, a_0, h_1, a_1, …: (N, C)
};
/// `teacher` gives the frozen weights of lifted linears; any model does for one that has none.
Pass forward(const Sizes& sizes, const Model& model, const Model& teacher, const Batch& batch);

struct DistillStep {
    double loss, kd, lm, clone;  // means over the rows of the batch; kd and clone 0 without teacher
    Vector clone_tap;            // (2 L): h_0, a_0, …, reduced, without λ
    Pass teacher, student;
    Model gradient;  // of `loss`, for every tensor of the student
    double grad_norm;
};
/// `teacher` may be empty: then only the LM term counts. `variance`: tap_variance(), for "relative".
DistillStep distill(const Sizes& sizes, const Losses& losses, const Model& student,
                    const Model& teacher, const Batch& batch, const Vector& variance = {});
/// The loss of the above alone.
double distill_loss(const Sizes& sizes, const Losses& losses, const Model& student,
                    const Model& teacher, const Batch& batch, const Vector& variance = {});

/// tr Cov = E|t|² − |E t|² of each tap of the teacher over the rows that count, (2 L).
Vector tap_variance(const Sizes& sizes, const Model& teacher, const Batch& batch, bool skip_first);

/// AdamW with decay on matrices only; moments start empty. Gradients are scaled by
/// min(1, clip/norm) over all of them.
struct AdamWState {
    double lr, beta1, beta2, eps, weight_decay, clip;
    int updates = 0;
    Model m = {}, v = {};
};
void update(Model& student, const Model& gradient, AdamWState& state);

}  // namespace lrd::reference
