// SPDX-License-Identifier: MIT
// What the vectorised loops share: the choice of the instruction set and exp.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>

// LRD_HOT: the function is compiled for plain x86-64, for AVX2 and for AVX-512, and the loader picks
// at run time. It must be a free function, not a template, and hold no OpenMP region (the region's
// body would be a function of its own, without the attribute).
#if defined(__x86_64__) && (defined(__clang__) ? __clang_major__ >= 14 : __GNUC__ >= 12)
#define LRD_HOT __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define LRD_HOT
#endif
// Inlined into LRD_HOT functions, so that it takes over their instruction set.
#define LRD_INLINE inline __attribute__((always_inline))

namespace lrd {

constexpr float log2_e = 1.44269504F;

/// e^x to 1e-7 relative; 0 below −86.6, e^88.7 above that, NaN for NaN.
/// x = k·ln 2 + r with |r| ≤ ln 2 / 2, ln 2 split in two (Cody & Waite 1980); e^r by the minimax
/// polynomial of degree 6 of Cephes expf (Moshier 1992); 2^k by its bits.
LRD_INLINE float fast_exp(float x) {
    constexpr float shift = 12582912.0F;  // 1.5·2²³: adding it rounds to an integer in the low bits
    const float low = -86.6F > x ? -86.6F : x;  // this order of operands keeps NaN
    const float clamped = 88.7F < low ? 88.7F : low;
    const float shifted = clamped * log2_e + shift;
    const float k = shifted - shift;
    const float r = (clamped - k * 0.693359375F) + k * 2.12194440e-4F;
    float p = 1.9875691500e-4F;
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * (r * r) + r + 1.0F;
    // 2^(k−1), doubled by p + p: k reaches 128.
    const std::uint32_t bits = (std::bit_cast<std::uint32_t>(shifted) - 0x4B400000U + 126U) << 23U;
    const float result = (p + p) * std::bit_cast<float>(bits);
    return x < -86.6F ? 0.0F : result;
}

/// 2^x to 3e-7 relative for x ≤ 127; 2e-38 below −125, NaN for NaN. e^y = 2^(y·log2_e) costs half of
/// fast_exp(y) and adds an error of |y|·1e-7: for soft-max, where small powers count little, and for
/// what is rounded to bf16. The integer by its bits, the fraction by a minimax polynomial.
LRD_INLINE float fast_exp2(float x) {
    constexpr float shift = 12582912.0F;  // as above
    const float clamped = -125.0F > x ? -125.0F : x;
    const float shifted = clamped + shift;
    const float f = clamped - (shifted - shift);
    float p = 1.3276471e-3F;
    p = p * f + 9.6755410e-3F;
    p = p * f + 5.5507131e-2F;
    p = p * f + 2.4022120e-1F;
    p = p * f + 6.9314694e-1F;
    p = p * f + 1.0000001F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) +
                                (std::bit_cast<std::uint32_t>(shifted) << 23U));
}

/// The largest of n values; NaN is never larger, and −∞ is the largest of none. Sixteen maxima side
/// by side: a reduction over one would need -ffast-math to be vectorised by every compiler.
LRD_INLINE float max_of(const float* z, std::int64_t n) {
    constexpr std::int64_t lanes = 16;
    std::array<float, lanes> best;
    best.fill(-std::numeric_limits<float>::infinity());
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
#pragma omp simd
        for (std::int64_t k = 0; k < lanes; ++k) {
            float& b = best[static_cast<std::size_t>(k)];
            b = z[i + k] > b ? z[i + k] : b;
        }
    }
    for (; i < n; ++i) {
        best[0] = z[i] > best[0] ? z[i] : best[0];
    }
    return *std::max_element(best.begin(), best.end());
}

/// scores[j] = e^(scale·(scores[j] − best)) for n of them; returns their sum.
LRD_INLINE float exponentials(float* scores, std::int64_t n, float best, float scale) {
    float sum = 0.0F;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t j = 0; j < n; ++j) {
        const float e = fast_exp((scores[j] - best) * scale);
        scores[j] = e;
        sum += e;
    }
    return sum;
}

}  // namespace lrd
