// SPDX-License-Identifier: MIT
// bf16 in memory, fp32 in arithmetic: what loops over either share.
#pragma once

#include <bit>
#include <cstdint>

#include "core/view.hpp"
#include "kernels/cpu/simd.hpp"

namespace lrd {

/// The upper half of an fp32.
struct Bf16 {
    std::uint16_t bits;
};

LRD_INLINE float value_of(float x) { return x; }
LRD_INLINE float value_of(Bf16 x) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16U);
}

/// To the nearest, of two equally near the even one; NaN stays NaN.
LRD_INLINE Bf16 rounded(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t nearest = (bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U;
    const std::uint32_t nan = (bits >> 16U) | 0x40U;
    return {static_cast<std::uint16_t>((bits & 0x7FFFFFFFU) > 0x7F800000U ? nan : nearest)};
}

/// The same of what was computed from bf16: such a NaN has a lower half of 0 and stays one unasked.
LRD_INLINE Bf16 rounded_result(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    return {static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U)};
}

LRD_INLINE void set(float& to, float x) { to = x; }
LRD_INLINE void set(Bf16& to, float x) { to = rounded(x); }
LRD_INLINE void set_result(float& to, float x) { to = x; }
LRD_INLINE void set_result(Bf16& to, float x) { to = rounded_result(x); }

/// Rounds n values, vectorised.
void narrow(Bf16* to, const float* from, std::int64_t n);

/// body(pointer to the elements of x), a float* or a Bf16*.
template <class Body>
void with_elements(const View& x, Body&& body) {
    if (x.dtype() == DType::bf16) {
        body(static_cast<Bf16*>(x.raw()));
    } else {
        body(x.f32());
    }
}

/// The elements of `x`, known to be of type T.
template <class T>
T* elements(const View& x) {
    return static_cast<T*>(x.raw());
}

}  // namespace lrd
