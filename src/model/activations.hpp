// SPDX-License-Identifier: MIT
// Activations: what a forward pass writes and a backward pass reads, allocated once for the
// largest batch. What products take is in Backend::stored(); the residual stream, the outputs that
// are added to it, and statistics are fp32.
#pragma once

#include <vector>

#include "model/weights.hpp"

namespace lrd {

struct BatchShape {
    std::int64_t B = 0, T = 0;
    std::int64_t rows() const { return B * T; }
};

/// What stays of a forward pass.
struct Keep {
    bool taps = false;  // of every layer; always so in training
    /// Training: of a block only its input, the attention's output, and what is narrow; backward
    /// makes the rest once more, in buffers that all blocks share. The same bits.
    bool recompute = false;
};

struct BlockActivations {
    View h_in;                         // (N, C)   residual stream before the block
    View ln_1, mean_1, rstd_1;         // (N, C), (N), (N)
    View kept_attn, qkv;               // (N, r), (N, 3·H·D)
    View att, lse;                     // (N, H·D), (B, H, T)
    View kept_proj, a;                 // (N, r), (N, C)  tap: attention output
    View h_mid, ln_2, mean_2, rstd_2;  // (N, C), (N, C), (N), (N)
    View kept_fc, fc, gelu;            // (N, r), (N, F), (N, F)
    View kept_mlp, mlp;                // (N, r), (N, C)  mlp: until the next block reads it
};

struct Activations {
    Activations(const Weights& weights, const std::string& name, BatchShape capacity, Keep keep);

    BatchShape capacity;
    Keep keep;
    Arena arena;
    View embedded, kept_embed;  // (N, C), (N, re)
    std::vector<BlockActivations> blocks;
    View h_out, hidden, mean_f, rstd_f;  // (N, C) last residual, (N, C) after ln_f, (N), (N)
    View kept_head;                      // (N, re)
    // Scratch of the backward pass (training only). Some lie in one place: see the constructor.
    View d_h, d_a;       // (N, C) each, of the residual stream
    View d_hidden, d_c;  // (N, C) each
    View d_operand;      // (N, C) d_h or d_a as products take it, if that is another dtype
    View d_wide;         // (N, max(3·H·D, F))
    View d_att;          // (N, H·D)
    View d_kept;         // (N, largest r or re)

private:
    void make_shared(const Weights& weights);
    void make_backward(const Weights& weights);
    BlockActivations make_block(const Weights& weights, std::int64_t layer);
    View region(const std::string& name, std::int64_t width, DType dtype = DType::f32);
    std::int64_t rows() const { return capacity.rows(); }

    BlockActivations shared_;  // what all blocks write in turn
    View kept_scratch_;        // (N, largest r or re), inference only: nothing looks back
};

}  // namespace lrd
