// SPDX-License-Identifier: MIT
// What attention in fp32 (attention_f32.cpp) and in bf16 (attention_bf16.cpp) share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/backend.hpp"
#include "kernels/cpu/bf16.hpp"
#include "kernels/cpu/team.hpp"

namespace lrd {

/// One head of one sequence; leading dimensions 3·H·D for q, k, v and H·D for y.
template <class T>
struct Head {
    T *q, *k, *v;
    std::int64_t at_y, at_lse;
    std::int64_t row, h;  // the sequence's first row, and which head
};

/// Head `index` of B·H.
template <class T>
Head<T> head_of(const View& qkv, AttentionShape s, std::int64_t index) {
    const std::int64_t b = index / s.H;
    const std::int64_t h = index % s.H;
    const std::int64_t width = s.H * s.D;
    T* q = elements<T>(qkv) + b * s.T * 3 * width + h * s.D;
    return {q,       q + width, q + 2 * width, b * s.T * width + h * s.D, (b * s.H + h) * s.T,
            b * s.T, h};
}

inline float scale_of(AttentionShape s) { return 1.0F / std::sqrt(static_cast<float>(s.D)); }

/// Which keys of a row of `end` a query sees: [begin, valid).
struct Span {
    std::int64_t begin, valid, end;
};

/// What query t sees of the keys [first, first + end).
template <class T>
Span keys_of(const AttentionOptions& options, const Head<T>& head, std::int64_t t,
             std::int64_t first, std::int64_t end) {
    const std::int64_t start = options.starts ? options.starts.i32()[head.row + t] : 0;
    return {std::clamp<std::int64_t>(start - first, 0, end),
            std::clamp<std::int64_t>(t + 1 - first, 0, end), end};
}

struct Softmax {
    float inverse;  // 1/Σ
    float lse;      // log-sum-exp of the scaled scores
};

/// A row of scores becomes e^(scale·(score − max)) for the keys that it sees and 0 elsewhere.
Softmax soften_row(float* scores, Span keys, float scale);

/// On entry scores = q kᵀ and d = d_P; on return scores = P and d = d_scores = P·(d_P − delta)·scale.
void differentiate_row(float* scores, float* d, Span keys, float scale, float lse, float delta);

float dot(const float* a, const float* b, std::int64_t n);
float dot(const Bf16* a, const Bf16* b, std::int64_t n);

/// to = factor·from.
void scale_row(float* to, const float* from, float factor, std::int64_t n);
void scale_row(Bf16* to, const float* from, float factor, std::int64_t n);

struct AttentionGradients {
    const View &d_qkv, &d_y, &y, &lse;
};

void attention_f32(Team& team, const View& y, const View& lse, const View& qkv, AttentionShape s,
                   const AttentionOptions& options);
void attention_bf16(Team& team, const View& y, const View& lse, const View& qkv, AttentionShape s,
                    const AttentionOptions& options);
void attention_backward_f32(Team& team, const AttentionGradients& g, const View& qkv,
                            AttentionShape s, const AttentionOptions& options);
void attention_backward_bf16(Team& team, const AttentionGradients& g, const View& qkv,
                             AttentionShape s, const AttentionOptions& options);

}  // namespace lrd
