// SPDX-License-Identifier: MIT
// The loops over a row of scores, and the choice between fp32 and bf16.
#include "kernels/cpu/attention.hpp"

#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/simd.hpp"

namespace lrd {
namespace {

LRD_INLINE void zero_outside(float* row, Span keys) {
    for (std::int64_t j = 0; j < keys.begin; ++j) {
        row[j] = 0.0F;
    }
    for (std::int64_t j = keys.valid; j < keys.end; ++j) {
        row[j] = 0.0F;
    }
}

LRD_HOT Softmax soften(float* scores, Span keys, float scale) {
    float* seen = scores + keys.begin;
    const std::int64_t n = keys.valid - keys.begin;
    const float best = max_of(seen, n);
    const float power = scale * log2_e;
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t j = 0; j < n; ++j) {
        const float e = fast_exp2((seen[j] - best) * power);
        seen[j] = e;
        sum += e;
    }
    zero_outside(scores, keys);
    return {1.0F / sum, best * scale + std::log(sum)};
}

LRD_HOT void differentiate(float* scores, float* d, Span keys, float scale, float lse,
                           float delta) {
    const float power = scale * log2_e;
    const float lse_power = lse * log2_e;
#pragma omp simd
    for (std::int64_t j = keys.begin; j < keys.valid; ++j) {
        const float p = fast_exp2(scores[j] * power - lse_power);
        scores[j] = p;
        d[j] = p * (d[j] - delta) * scale;
    }
    zero_outside(scores, keys);
    zero_outside(d, keys);
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

template <class T>
LRD_INLINE void scale(T* to, const float* from, float factor, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        set(to[i], factor * from[i]);
    }
}
LRD_HOT void scale_f32(float* to, const float* from, float factor, std::int64_t n) {
    scale(to, from, factor, n);
}
LRD_HOT void scale_bf16(Bf16* to, const float* from, float factor, std::int64_t n) {
    scale(to, from, factor, n);
}

}  // namespace

Softmax soften_row(float* scores, Span keys, float scale) { return soften(scores, keys, scale); }
void differentiate_row(float* scores, float* d, Span keys, float scale, float lse, float delta) {
    differentiate(scores, d, keys, scale, lse, delta);
}
float dot(const float* a, const float* b, std::int64_t n) { return dot_f32(a, b, n); }
float dot(const Bf16* a, const Bf16* b, std::int64_t n) { return dot_bf16(a, b, n); }
void scale_row(float* to, const float* from, float factor, std::int64_t n) {
    scale_f32(to, from, factor, n);
}
void scale_row(Bf16* to, const float* from, float factor, std::int64_t n) {
    scale_bf16(to, from, factor, n);
}

void CpuBackend::do_attention(const View& y, const View& lse, const View& qkv, AttentionShape s,
                              const AttentionOptions& options) {
    const auto run = qkv.dtype() == DType::bf16 ? attention_bf16 : attention_f32;
    run(*team_, y, lse, qkv, s, options);
}

void CpuBackend::do_attention_backward(const View& d_qkv, const View& d_y, const View& y,
                                       const View& lse, const View& qkv, AttentionShape s,
                                       const AttentionOptions& options) {
    const auto run = qkv.dtype() == DType::bf16 ? attention_backward_bf16 : attention_backward_f32;
    run(*team_, {d_qkv, d_y, y, lse}, qkv, s, options);
}

}  // namespace lrd
