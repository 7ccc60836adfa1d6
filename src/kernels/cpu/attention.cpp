// SPDX-License-Identifier: MIT
// Causal attention, one query block at a time against whole rows of keys: scores of a block stay in
// the cache, and no running maximum is needed (Dao 2022 has one because its memory is smaller).
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/cpu/bf16.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/dropout.hpp"
#include "kernels/cpu/team.hpp"

namespace lrd {
namespace {

constexpr std::int64_t block = 128;  // queries

/// One head of one sequence; leading dimensions 3·H·D for q, k, v and H·D for y.
template <class T>
struct Head {
    T *q, *k, *v;
    std::int64_t at_y, at_lse;
    std::int64_t row, h;  // the sequence's first row, and which head
};

template <class T>
Head<T> head_of(const View& qkv, AttentionShape s, std::int64_t b, std::int64_t h) {
    const std::int64_t width = s.H * s.D;
    T* q = elements<T>(qkv) + b * s.T * 3 * width + h * s.D;
    return {q,       q + width, q + 2 * width, b * s.T * width + h * s.D, (b * s.H + h) * s.T,
            b * s.T, h};
}

/// Which of `end` keys a query sees: [begin, valid).
struct Span {
    std::int64_t begin, valid, end;
};

template <class T>
LRD_INLINE void zero_outside(T* row, Span keys) {
    for (std::int64_t j = 0; j < keys.begin; ++j) {
        row[j] = T{};
    }
    for (std::int64_t j = keys.valid; j < keys.end; ++j) {
        row[j] = T{};
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

/// The same into p in bf16: what the product with v takes.
LRD_HOT void soften_row_bf16(Bf16* p, const float* scores, Span keys, float scale, float* inverse,
                             float* lse) {
    const float best = max_of(scores + keys.begin, keys.valid - keys.begin);
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t j = keys.begin; j < keys.valid; ++j) {
        const float e = fast_exp((scores[j] - best) * scale);
        p[j] = rounded(e);
        sum += e;
    }
    zero_outside(p, keys);
    *inverse = 1.0F / sum;
    *lse = best * scale + std::log(sum);
}

LRD_HOT void scale_row(float* y, float factor, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        y[i] *= factor;
    }
}

template <class T>
LRD_INLINE float dot_of(const T* a, const T* b, std::int64_t n) {
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < n; ++i) {
        sum += value_of(a[i]) * value_of(b[i]);
    }
    return sum;
}
LRD_HOT float dot_f32(const float* a, const float* b, std::int64_t n) { return dot_of(a, b, n); }
LRD_HOT float dot_bf16(const Bf16* a, const Bf16* b, std::int64_t n) { return dot_of(a, b, n); }
float dot(const float* a, const float* b, std::int64_t n) { return dot_f32(a, b, n); }
float dot(const Bf16* a, const Bf16* b, std::int64_t n) { return dot_bf16(a, b, n); }

/// to = factor·from.
LRD_HOT void narrow_scaled(Bf16* to, const float* from, float factor, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        to[i] = rounded(factor * from[i]);
    }
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

/// The same into p_out and d_out in bf16.
LRD_HOT void differentiate_row_bf16(Bf16* p_out, Bf16* d_out, const float* scores, const float* d,
                                    Span keys, float scale, float lse, float delta) {
#pragma omp simd
    for (std::int64_t j = keys.begin; j < keys.valid; ++j) {
        const float p = fast_exp(scores[j] * scale - lse);
        p_out[j] = rounded(p);
        d_out[j] = rounded(p * (d[j] - delta) * scale);
    }
    zero_outside(p_out, keys);
    zero_outside(d_out, keys);
}

constexpr std::int64_t room_of(std::int64_t n) { return (n + 3) / 4 * 4; }  // for dropout_factors

/// What query t of a sequence sees.
template <class T>
Span keys_of(const AttentionOptions& options, const Head<T>& head, std::int64_t t,
             std::int64_t end) {
    return {options.starts ? options.starts.i32()[head.row + t] : 0, t + 1, end};
}

float scale_of(AttentionShape s) { return 1.0F / std::sqrt(static_cast<float>(s.D)); }

/// A worker's own. In fp32 p and d_p are scores and d_scores themselves; in bf16 what products take
/// is rounded into them, and d_k and d_v are summed over the blocks in fp32.
template <class T>
struct Scratch {
    static constexpr bool narrow = std::is_same_v<T, Bf16>;
    float *scores, *d_scores, *factors, *d_k, *d_v, *y;
    T *p, *d_p;

    Scratch(Worker& worker, AttentionShape s, bool backward) {
        const std::int64_t square = block * s.T;
        const std::int64_t head = narrow && backward ? s.T * s.D : 0;
        const std::int64_t halves = narrow ? square : 0;  // two bf16 in the room of an fp32
        const std::int64_t out = narrow && !backward ? block * s.D : 0;
        scores = worker.floats.floats((backward ? 2 : 1) * square + room_of(s.T) + 2 * head + out +
                                      halves);
        d_scores = scores + square;
        factors = backward ? d_scores + square : d_scores;
        d_k = factors + room_of(s.T);
        d_v = d_k + head;
        y = d_v + head;
        if constexpr (narrow) {
            p = reinterpret_cast<Bf16*>(y + out);
            d_p = p + square;
        } else {
            p = scores;
            d_p = d_scores;
        }
    }
};

/// Queries [first, end) of one head: scores = q kᵀ, P = softmax, y = (P ∘ dropout) v.
template <class T>
void forward_block(Worker& worker, const View& y, const View& lse, const Head<T>& head,
                   AttentionShape s, const AttentionOptions& options, std::int64_t first,
                   std::int64_t end) {
    const std::int64_t ld = 3 * s.H * s.D;
    const std::int64_t ld_y = s.H * s.D;
    const std::int64_t rows = end - first;
    const Scratch<T> at(worker, s, false);
    worker.products.run(rows, end, s.D, {at.scores, end}, {head.q + first * ld, ld},
                        {head.k, ld, true});
    float inverse[block];
    const bool drops = options.dropout.rate > 0.0F;
    for (std::int64_t i = 0; i < rows; ++i) {
        float* row = at.scores + i * end;
        const Span keys = keys_of(options, head, first + i, end);
        float* row_lse = lse.f32() + head.at_lse + first + i;
        if constexpr (Scratch<T>::narrow) {
            if (!drops) {
                soften_row_bf16(at.p + i * end, row, keys, scale_of(s), inverse + i, row_lse);
                continue;
            }
        }
        soften_row(row, keys, scale_of(s), inverse + i, row_lse);
        if (drops) {
            dropout_factors(at.factors, first + i + 1, options.dropout, head.row + first + i,
                            head.h);
            multiply(row, row, at.factors, first + i + 1);
        }
        if constexpr (Scratch<T>::narrow) {
            narrow(at.p + i * end, row, end);
        }
    }
    T* out = elements<T>(y) + head.at_y + first * ld_y;
    Factor sums{out, ld_y};
    if constexpr (Scratch<T>::narrow) {
        sums = {at.y, s.D};
    }
    worker.products.run(rows, s.D, end, sums, {at.p, end}, {head.v, ld});
    for (std::int64_t i = 0; i < rows; ++i) {
        if constexpr (Scratch<T>::narrow) {
            narrow_scaled(out + i * ld_y, at.y + i * s.D, inverse[i], s.D);
        } else {
            scale_row(out + i * ld_y, inverse[i], s.D);
        }
    }
}

struct Gradients {
    const View &d_y, &y, &lse;
};

/// P from lse; d_v += (P ∘ dropout)ᵀ d_y; d_P = dropout ∘ d_y vᵀ; d_q = d_scores k; d_k +=
/// d_scoresᵀ q. The last block, which comes first, sees all keys and sets d_k and d_v.
template <class T>
void backward_block(Worker& worker, const Scratch<T>& at, const Head<T>& d_head, const Gradients& g,
                    const Head<T>& head, AttentionShape s, const AttentionOptions& options,
                    std::int64_t first, std::int64_t end) {
    const std::int64_t ld = 3 * s.H * s.D;
    const std::int64_t ld_y = s.H * s.D;
    const std::int64_t rows = end - first;
    const bool drops = options.dropout.rate > 0.0F;
    const bool add = end < s.T;
    const T* y = elements<T>(g.y) + head.at_y + first * ld_y;
    T* d_y = elements<T>(g.d_y) + head.at_y + first * ld_y;
    const Factor q{head.q + first * ld, ld};
    worker.products.run(rows, end, s.D, {at.scores, end}, q, {head.k, ld, true});
    worker.products.run(rows, end, s.D, {at.d_scores, end}, {d_y, ld_y}, {head.v, ld, true});
    for (std::int64_t i = 0; i < rows; ++i) {
        const float delta = dot(d_y + i * ld_y, y + i * ld_y, s.D);
        const std::int64_t valid = first + i + 1;
        float* row = at.scores + i * end;
        float* d_row = at.d_scores + i * end;
        const Span keys = keys_of(options, head, first + i, end);
        const float row_lse = g.lse.f32()[head.at_lse + first + i];
        if constexpr (Scratch<T>::narrow) {
            if (!drops) {
                differentiate_row_bf16(at.p + i * end, at.d_p + i * end, row, d_row, keys,
                                       scale_of(s), row_lse, delta);
                continue;
            }
        }
        if (drops) {
            dropout_factors(at.factors, valid, options.dropout, head.row + first + i, head.h);
            multiply(d_row, d_row, at.factors, valid);
        }
        differentiate_row(row, d_row, keys, scale_of(s), row_lse, delta);
        if (drops) {
            multiply(row, row, at.factors, valid);
        }
        if constexpr (Scratch<T>::narrow) {
            narrow(at.p + i * end, row, end);
            narrow(at.d_p + i * end, d_row, end);
        }
    }
    const auto sum = [&](float* wide, T* own) {
        return Scratch<T>::narrow ? Factor{wide, s.D} : Factor{own, ld};
    };
    worker.products.run(end, s.D, rows, sum(at.d_v, d_head.v), {at.p, end, true}, {d_y, ld_y}, add);
    worker.products.run(rows, s.D, end, {d_head.q + first * ld, ld}, {at.d_p, end}, {head.k, ld});
    worker.products.run(end, s.D, rows, sum(at.d_k, d_head.k), {at.d_p, end, true}, q, add);
}

template <class T>
void backward_head(Worker& worker, const View& d_qkv, const Gradients& g, const View& qkv,
                   AttentionShape s, const AttentionOptions& options, std::int64_t index) {
    const Head<T> head = head_of<T>(qkv, s, index / s.H, index % s.H);
    const Head<T> d_head = head_of<T>(d_qkv, s, index / s.H, index % s.H);
    const Scratch<T> at(worker, s, true);
    for (std::int64_t first = (s.T - 1) / block * block; first >= 0 && s.T > 0; first -= block) {
        backward_block<T>(worker, at, d_head, g, head, s, options, first,
                          std::min(s.T, first + block));
    }
    if constexpr (Scratch<T>::narrow) {
        for (std::int64_t t = 0; t < s.T; ++t) {
            const std::int64_t to = t * 3 * s.H * s.D;
            narrow(d_head.k + to, at.d_k + t * s.D, s.D);
            narrow(d_head.v + to, at.d_v + t * s.D, s.D);
        }
    }
}

}  // namespace

void CpuBackend::do_attention(const View& y, const View& lse, const View& qkv, AttentionShape s,
                              const AttentionOptions& options) {
    const std::int64_t blocks = (s.T + block - 1) / block;
    team_->for_each(s.B * s.H * blocks, [&](Worker& worker, std::int64_t item) {
        const std::int64_t index = item / blocks;
        const std::int64_t first = (blocks - 1 - item % blocks) * block;  // the longest first
        with_elements(qkv, [&]<class T>(T*) {
            forward_block<T>(worker, y, lse, head_of<T>(qkv, s, index / s.H, index % s.H), s,
                             options, first, std::min(s.T, first + block));
        });
    });
}

// One item per head: nobody else adds to its d_k and d_v.
void CpuBackend::do_attention_backward(const View& d_qkv, const View& d_y, const View& y,
                                       const View& lse, const View& qkv, AttentionShape s,
                                       const AttentionOptions& options) {
    team_->for_each(s.B * s.H, [&](Worker& worker, std::int64_t index) {
        with_elements(qkv, [&]<class T>(T*) {
            backward_head<T>(worker, d_qkv, {d_y, y, lse}, qkv, s, options, index);
        });
    });
}

}  // namespace lrd
