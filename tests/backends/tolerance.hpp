// SPDX-License-Identifier: MIT
// The one table of tolerances, for every op, device and precision.
//
//   |computed − reference| ≤ (per_term·K + constant)·2^−22·magnitude + store·|reference|
//
// K: number of terms of the longest sum behind the element. magnitude: Σ of the absolute values of
// those terms, from the test. 2^−22 is twice an fp32 ulp, because tensor cores truncate where IEEE
// rounds. Inputs are rounded to the precision's storage type before the reference sees them, so in
// bf16 only the rounding of stored results (half an ulp, 2^−8: a bf16 has 8 bits of significand) and of
// stored intermediates remains.
#pragma once

#include <algorithm>
#include <cmath>

namespace lrd::test {

enum class Precision { fp32, bf16 };

enum class Op {
    exact,        // copies, embed, zeros of padding
    product,      // matmul, grouped_matmul
    elementwise,  // add, add_positions, clone gradient
    column_sum,   // column_sums, embed_backward, add_positions_backward, d_gamma, d_beta
    total,        // sums over whole arrays: sum, sum_squares, clone sum, moments
    gelu,         // and its backward
    layernorm,
    layernorm_backward,
    attention,  // and lse
    attention_backward,
    attention_decode,
    loss,           // kd, lm: magnitude is relative to max(1, |logit|)
    loss_gradient,  // of soft-max losses: magnitude from the probabilities
    optimiser,      // adamw, sgd
    logits,         // of a whole model, K = 0: magnitude max(1, |logit|)
};

struct Tolerance {
    double per_term, constant, store;
};

inline Tolerance tolerance(Op op, Precision precision) {
    constexpr double ulp = 1.0 / 256.0;           // half an ulp of bf16
    constexpr double stored = 4194304.0 / 256.0;  // the same of an intermediate, in units of 2^−22
    const bool fp32 = precision == Precision::fp32;
    switch (op) {
        case Op::exact: return {0.0, 0.0, 0.0};
        case Op::product: return fp32 ? Tolerance{1, 2, 0} : Tolerance{1, 2, ulp};
        case Op::elementwise: return fp32 ? Tolerance{0, 2, 0} : Tolerance{0, 2, ulp};
        case Op::column_sum: return fp32 ? Tolerance{1, 2, 0} : Tolerance{1, 2, ulp};
        case Op::total: return {0, 16, 0};
        case Op::gelu: return fp32 ? Tolerance{0, 4, 0} : Tolerance{0, 4, ulp};
        case Op::layernorm: return fp32 ? Tolerance{1, 4, 0} : Tolerance{1, 4, ulp};
        case Op::layernorm_backward: return fp32 ? Tolerance{1, 4, 0} : Tolerance{1, 4, ulp};
        case Op::attention: return fp32 ? Tolerance{1, 4, 0} : Tolerance{1, stored, ulp};
        case Op::attention_backward:
            return fp32 ? Tolerance{1, 4, 0} : Tolerance{1, 4 * stored, ulp};
        case Op::attention_decode: return fp32 ? Tolerance{1, 4, 0} : Tolerance{1, stored, ulp};
        // Rows of some thousand exponentials, summed in fp32 in any order: errors grow like a root.
        case Op::loss: return {0, 16, 0};
        case Op::loss_gradient: return fp32 ? Tolerance{0, 16, 0} : Tolerance{0, 16, ulp};
        case Op::optimiser: return {0, 4, 0};
        case Op::logits: return fp32 ? Tolerance{0, 420, 0} : Tolerance{0, 8 * stored, ulp};
    }
    return {0.0, 0.0, 0.0};
}

/// The allowed |computed − reference| of one element. Below 1e-37 fp32 flushes to zero.
inline double bound(Op op, Precision precision, double K, double magnitude, double reference) {
    const Tolerance t = tolerance(op, precision);
    const double unit = std::ldexp(1.0, -22);
    const double floor = op == Op::exact ? 0.0 : 1e-37;
    return (t.per_term * K + t.constant) * unit * magnitude + t.store * std::fabs(reference) +
           floor;
}

}  // namespace lrd::test
