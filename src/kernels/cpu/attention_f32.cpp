// SPDX-License-Identifier: MIT
// Causal attention, one query block at a time against whole rows of keys: scores of a block stay in
// the cache, and no running maximum is needed (Dao 2022 has one because its memory is smaller).
#include "kernels/cpu/attention.hpp"
#include "kernels/cpu/dropout.hpp"

namespace lrd {
namespace {

constexpr std::int64_t block = 128;  // queries

constexpr std::int64_t room_of(std::int64_t n) { return (n + 3) / 4 * 4; }  // for dropout_factors

/// A worker's own.
struct Scratch {
    float *factors, *scores, *d_scores;

    Scratch(Worker& worker, AttentionShape s, bool backward) {
        const std::int64_t square = block * s.T;
        factors = worker.floats.floats(room_of(s.T) + (backward ? 2 : 1) * square);
        scores = factors + room_of(s.T);
        d_scores = scores + square;
    }
};

/// Queries [first, end) of one head: scores = q kᵀ, P = softmax, y = (P ∘ dropout) v.
void forward_block(Worker& worker, const View& y, const View& lse, const Head<float>& head,
                   AttentionShape s, const AttentionOptions& options, std::int64_t first,
                   std::int64_t end) {
    const std::int64_t ld = 3 * s.H * s.D;
    const std::int64_t ld_y = s.H * s.D;
    const std::int64_t rows = end - first;
    const Scratch at(worker, s, false);
    worker.products.run(rows, end, s.D, {at.scores, end}, {head.q + first * ld, ld},
                        {head.k, ld, true});
    float inverse[block];
    for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t t = first + i;
        float* row = at.scores + i * end;
        const Softmax sums = soften_row(row, keys_of(options, head, t, 0, end), scale_of(s));
        inverse[i] = sums.inverse;
        lse.f32()[head.at_lse + t] = sums.lse;
        if (options.dropout.rate > 0.0F) {
            dropout_factors(at.factors, t + 1, options.dropout, head.row + t, head.h);
            multiply(row, row, at.factors, t + 1);
        }
    }
    float* out = y.f32() + head.at_y + first * ld_y;
    worker.products.run(rows, s.D, end, {out, ld_y}, {at.scores, end}, {head.v, ld});
    for (std::int64_t i = 0; i < rows; ++i) {
        scale_row(out + i * ld_y, out + i * ld_y, inverse[i], s.D);
    }
}

/// P from lse; d_v += (P ∘ dropout)ᵀ d_y; d_P = dropout ∘ d_y vᵀ; d_q = d_scores k; d_k +=
/// d_scoresᵀ q. The last block, which comes first, sees all keys and sets d_k and d_v.
void backward_block(Worker& worker, const Head<float>& d_head, const AttentionGradients& g,
                    const Head<float>& head, AttentionShape s, const AttentionOptions& options,
                    std::int64_t first, std::int64_t end) {
    const std::int64_t ld = 3 * s.H * s.D;
    const std::int64_t ld_y = s.H * s.D;
    const std::int64_t rows = end - first;
    const bool add = end < s.T;
    const Scratch at(worker, s, true);
    const float* y = g.y.f32() + head.at_y + first * ld_y;
    float* d_y = g.d_y.f32() + head.at_y + first * ld_y;
    const Factor q{head.q + first * ld, ld};
    worker.products.run(rows, end, s.D, {at.scores, end}, q, {head.k, ld, true});
    worker.products.run(rows, end, s.D, {at.d_scores, end}, {d_y, ld_y}, {head.v, ld, true});
    for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t t = first + i;
        const bool drops = options.dropout.rate > 0.0F;
        float* row = at.scores + i * end;
        float* d_row = at.d_scores + i * end;
        if (drops) {
            dropout_factors(at.factors, t + 1, options.dropout, head.row + t, head.h);
            multiply(d_row, d_row, at.factors, t + 1);
        }
        differentiate_row(row, d_row, keys_of(options, head, t, 0, end), scale_of(s),
                          g.lse.f32()[head.at_lse + t], dot(d_y + i * ld_y, y + i * ld_y, s.D));
        if (drops) {
            multiply(row, row, at.factors, t + 1);
        }
    }
    worker.products.run(end, s.D, rows, {d_head.v, ld}, {at.scores, end, true}, {d_y, ld_y}, add);
    worker.products.run(rows, s.D, end, {d_head.q + first * ld, ld}, {at.d_scores, end},
                        {head.k, ld});
    worker.products.run(end, s.D, rows, {d_head.k, ld}, {at.d_scores, end, true}, q, add);
}

}  // namespace

void attention_f32(Team& team, const View& y, const View& lse, const View& qkv, AttentionShape s,
                   const AttentionOptions& options) {
    const std::int64_t blocks = (s.T + block - 1) / block;
    team.for_each(s.B * s.H * blocks, [&](Worker& worker, std::int64_t item) {
        const std::int64_t first = (blocks - 1 - item % blocks) * block;  // the longest first
        forward_block(worker, y, lse, head_of<float>(qkv, s, item / blocks), s, options, first,
                      std::min(s.T, first + block));
    });
}

// One item per head: nobody else adds to its d_k and d_v.
void attention_backward_f32(Team& team, const AttentionGradients& g, const View& qkv,
                            AttentionShape s, const AttentionOptions& options) {
    team.for_each(s.B * s.H, [&](Worker& worker, std::int64_t index) {
        for (std::int64_t first = (s.T - 1) / block * block; first >= 0 && s.T > 0;
             first -= block) {
            backward_block(worker, head_of<float>(g.d_qkv, s, index), g,
                           head_of<float>(qkv, s, index), s, options, first,
                           std::min(s.T, first + block));
        }
    });
}

}  // namespace lrd
