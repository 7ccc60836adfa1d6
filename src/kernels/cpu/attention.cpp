// SPDX-License-Identifier: MIT
// Causal attention, one query block at a time against whole rows of keys: scores of a block stay in
// the cache, and no running maximum is needed (Dao 2022 has one because its memory is smaller).
#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/dropout.hpp"
#include "kernels/cpu/simd.hpp"
#include "kernels/cpu/team.hpp"

namespace lrd {
namespace {

constexpr std::int64_t block = 64;  // queries

/// One head of one sequence; leading dimensions 3·H·D for q, k, v and H·D for y.
struct Head {
    float *q, *k, *v;
    std::int64_t at_y, at_lse;
    std::int64_t row, h;  // the sequence's first row, and which head
};

Head head_of(const View& qkv, AttentionShape s, std::int64_t b, std::int64_t h) {
    const std::int64_t width = s.H * s.D;
    float* q = qkv.f32() + b * s.T * 3 * width + h * s.D;
    return {q,       q + width, q + 2 * width, b * s.T * width + h * s.D, (b * s.H + h) * s.T,
            b * s.T, h};
}

/// Which of `end` keys a query sees: [begin, valid).
struct Span {
    std::int64_t begin, valid, end;
};

LRD_INLINE void zero_outside(float* row, Span keys) {
    for (std::int64_t j = 0; j < keys.begin; ++j) {
        row[j] = 0.0F;
    }
    for (std::int64_t j = keys.valid; j < keys.end; ++j) {
        row[j] = 0.0F;
    }
}

/// A row of scores becomes e^(scale·(score − max)) for the keys that it sees and 0 elsewhere.
/// inverse = 1/Σ, lse = log-sum-exp of the scaled scores.
LRD_HOT void soften_row(float* scores, Span keys, float scale, float* inverse, float* lse) {
    float* seen = scores + keys.begin;
    const std::int64_t n = keys.valid - keys.begin;
    const float best = max_of(seen, n);
    const float sum = exponentials(seen, n, best, scale);
    zero_outside(scores, keys);
    *inverse = 1.0F / sum;
    *lse = best * scale + std::log(sum);
}

LRD_HOT void scale_row(float* y, float factor, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        y[i] *= factor;
    }
}

LRD_HOT float dot(const float* a, const float* b, std::int64_t n) {
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) {
        sum += a[i] * b[i];
    }
    return sum;
}

/// On entry scores = q kᵀ and d = d_P; on return scores = P and d = d_scores = P·(d_P − delta)·scale.
LRD_HOT void differentiate_row(float* scores, float* d, Span keys, float scale, float lse,
                               float delta) {
#pragma omp simd
    for (std::int64_t j = keys.begin; j < keys.valid; ++j) {
        const float p = fast_exp(scores[j] * scale - lse);
        scores[j] = p;
        d[j] = p * (d[j] - delta) * scale;
    }
    zero_outside(scores, keys);
    zero_outside(d, keys);
}

constexpr std::int64_t room_of(std::int64_t n) { return (n + 3) / 4 * 4; }  // for dropout_factors

/// What query t of a sequence sees.
Span keys_of(const AttentionOptions& options, const Head& head, std::int64_t t, std::int64_t end) {
    return {options.starts ? options.starts.i32()[head.row + t] : 0, t + 1, end};
}

float scale_of(AttentionShape s) { return 1.0F / std::sqrt(static_cast<float>(s.D)); }

/// Queries [first, end) of one head: scores = q kᵀ, P = softmax, y = (P ∘ dropout) v.
void forward_block(Worker& worker, const View& y, const View& lse, const Head& head,
                   AttentionShape s, const AttentionOptions& options, std::int64_t first,
                   std::int64_t end) {
    const std::int64_t ld = 3 * s.H * s.D;
    const std::int64_t ld_y = s.H * s.D;
    const std::int64_t rows = end - first;
    float* scores = worker.floats.floats(block * s.T + room_of(s.T));
    float* factors = scores + block * s.T;
    worker.products.run(rows, end, s.D, {scores, end}, {head.q + first * ld, ld},
                        {head.k, ld, true});
    float inverse[block];
    for (std::int64_t i = 0; i < rows; ++i) {
        float* row = scores + i * end;
        soften_row(row, keys_of(options, head, first + i, end), scale_of(s), inverse + i,
                   lse.f32() + head.at_lse + first + i);
        if (options.dropout.rate > 0.0F) {
            dropout_factors(factors, first + i + 1, options.dropout, head.row + first + i, head.h);
            multiply(row, row, factors, first + i + 1);
        }
    }
    float* out = y.f32() + head.at_y + first * ld_y;
    worker.products.run(rows, s.D, end, {out, ld_y}, {scores, end}, {head.v, ld});
    for (std::int64_t i = 0; i < rows; ++i) {
        scale_row(out + i * ld_y, inverse[i], s.D);
    }
}

struct Gradients {
    const View &d_y, &y, &lse;
};

/// P from lse; d_v += (P ∘ dropout)ᵀ d_y; d_P = dropout ∘ d_y vᵀ; d_q = d_scores k; d_k +=
/// d_scoresᵀ q. The last block, which comes first, sees all keys and sets d_k and d_v.
void backward_block(Worker& worker, const Head& d_head, const Gradients& g, const Head& head,
                    AttentionShape s, const AttentionOptions& options, std::int64_t first,
                    std::int64_t end) {
    const std::int64_t ld = 3 * s.H * s.D;
    const std::int64_t ld_y = s.H * s.D;
    const std::int64_t rows = end - first;
    const bool drops = options.dropout.rate > 0.0F;
    const bool add = end < s.T;
    float* scores = worker.floats.floats(2 * block * s.T + room_of(s.T));
    float* d_scores = scores + block * s.T;
    float* factors = d_scores + block * s.T;
    const Factor q{head.q + first * ld, ld};
    const Factor d_y{g.d_y.f32() + head.at_y + first * ld_y, ld_y};
    worker.products.run(rows, end, s.D, {scores, end}, q, {head.k, ld, true});
    worker.products.run(rows, end, s.D, {d_scores, end}, d_y, {head.v, ld, true});
    for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t at = head.at_y + (first + i) * ld_y;
        const float delta = dot(g.d_y.f32() + at, g.y.f32() + at, s.D);
        const std::int64_t valid = first + i + 1;
        float* row = scores + i * end;
        float* d_row = d_scores + i * end;
        if (drops) {
            dropout_factors(factors, valid, options.dropout, head.row + first + i, head.h);
            multiply(d_row, d_row, factors, valid);
        }
        differentiate_row(row, d_row, keys_of(options, head, first + i, end), scale_of(s),
                          g.lse.f32()[head.at_lse + first + i], delta);
        if (drops) {
            multiply(row, row, factors, valid);
        }
    }
    worker.products.run(end, s.D, rows, {d_head.v, ld}, {scores, end, true}, d_y, add);
    worker.products.run(rows, s.D, end, {d_head.q + first * ld, ld}, {d_scores, end}, {head.k, ld});
    worker.products.run(end, s.D, rows, {d_head.k, ld}, {d_scores, end, true}, q, add);
}

}  // namespace

void CpuBackend::do_attention(const View& y, const View& lse, const View& qkv, AttentionShape s,
                              const AttentionOptions& options) {
    const std::int64_t blocks = (s.T + block - 1) / block;
    team_->for_each(s.B * s.H * blocks, [&](Worker& worker, std::int64_t item) {
        const std::int64_t index = item / blocks;
        const std::int64_t first = (blocks - 1 - item % blocks) * block;  // the longest first
        forward_block(worker, y, lse, head_of(qkv, s, index / s.H, index % s.H), s, options, first,
                      std::min(s.T, first + block));
    });
}

// One item per head: nobody else adds to its d_k and d_v.
void CpuBackend::do_attention_backward(const View& d_qkv, const View& d_y, const View& y,
                                       const View& lse, const View& qkv, AttentionShape s,
                                       const AttentionOptions& options) {
    team_->for_each(s.B * s.H, [&](Worker& worker, std::int64_t index) {
        const Head head = head_of(qkv, s, index / s.H, index % s.H);
        const Head d_head = head_of(d_qkv, s, index / s.H, index % s.H);
        for (std::int64_t first = (s.T - 1) / block * block; first >= 0 && s.T > 0;
             first -= block) {
            backward_block(worker, d_head, {d_y, y, lse}, head, s, options, first,
                           std::min(s.T, first + block));
        }
    });
}

}  // namespace lrd
