// SPDX-License-Identifier: MIT
// Sizes of a GPT-2 and the names of its parts, as Hugging Face has them without `transformer.`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lrd {

struct Gpt2Config {
    std::int64_t L = 12;     // transformer layers
    std::int64_t C = 768;    // residual width
    std::int64_t H = 12;     // attention heads
    std::int64_t D = 64;     // width of a head
    std::int64_t F = 3072;   // FFN width
    std::int64_t T = 1024;   // longest context
    std::int64_t V = 50257;  // vocabulary
    bool tied = true;        // the head is the token embedding; else a matrix of its own
    double epsilon = 1e-5;   // of the LayerNorms

    std::int64_t attention_width() const { return H * D; }
    bool operator==(const Gpt2Config&) const = default;
};

/// The four linears of a block, in the order of the forward pass.
enum class Linear : int { c_attn, attn_c_proj, c_fc, mlp_c_proj };
constexpr int linears_per_layer = 4;

/// y = x Wᵀ + b with W: m × n (out × in); files hold Wᵀ (n × m), as Hugging Face's Conv1D does.
struct LinearShape {
    std::string name;  // "h.3.attn.c_attn"
    std::int64_t m, n;
};

LinearShape linear_shape(const Gpt2Config& config, std::int64_t layer, Linear linear);
/// All 4 L of them, layer by layer.
std::vector<LinearShape> linear_shapes(const Gpt2Config& config);

/// Where a student may be compared with the teacher: per layer the residual stream after the block
/// (h of paper eq. 4) and the attention output after its projection (a).
enum class Tap : int { hidden, attention };
constexpr int taps_per_layer = 2;

}  // namespace lrd
