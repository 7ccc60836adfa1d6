// SPDX-License-Identifier: MIT
// What ops do, in numbers: the one table from which rates, profiles, plans and cost models derive.
// Conventions: a multiply-add is 2 FLOPs; causal attention counts half of its square; nothing is
// counted for padding or recomputation, but for the scores that attention's backward pass needs
// again; an exp or tanh counts as the few operations that it is made of.
#pragma once

#include <cstdint>

namespace lrd {

struct Cost {
    double flops = 0.0, bytes = 0.0;
    Cost& operator+=(const Cost& o) {
        flops += o.flops;
        bytes += o.bytes;
        return *this;
    }
};

namespace op_flops {

// ---- of an element
constexpr double layernorm = 8.0, layernorm_backward = 12.0;
constexpr double gelu = 12.0, gelu_backward = 20.0;
constexpr double head_loss = 12.0, head_loss_with_teacher = 30.0;
constexpr double clone = 5.0;
constexpr double adamw = 14.0, sgd = 4.0;

// ---- of a whole call; letters as in kernels/backend.hpp
constexpr double product(std::int64_t M, std::int64_t N, std::int64_t K) {
    return 2.0 * static_cast<double>(M) * static_cast<double>(N) * static_cast<double>(K);
}
/// QKᵀ and PV over half of the square: 2 · 2·(T/2)·width per row.
constexpr double attention(std::int64_t rows, std::int64_t T, std::int64_t width) {
    return product(rows, T, width);
}
/// Five products: the scores again (flash style keeps none), dP, dQ, dK, dV.
constexpr double attention_backward(std::int64_t rows, std::int64_t T, std::int64_t width) {
    return 2.5 * product(rows, T, width);
}

}  // namespace op_flops
}  // namespace lrd
