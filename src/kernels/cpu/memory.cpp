// SPDX-License-Identifier: MIT
#include <bit>
#include <cstdint>
#include <cstring>

#include "core/check.hpp"
#include "core/host_memory.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"

namespace lrd {

void* CpuBackend::allocate(std::size_t bytes) { return HostMemory().allocate(bytes); }

void CpuBackend::release(void* data, std::size_t bytes) noexcept {
    HostMemory().release(data, bytes);
}

namespace {
void copy_bytes(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) {
        std::memcpy(to, from, bytes);
    }
}
}  // namespace

void CpuBackend::do_zero(const View& x) {
    if (x.size() > 0) {
        std::memset(x.raw(), 0, x.bytes());
    }
}
void CpuBackend::do_copy(const View& to, const View& from) {
    copy_bytes(to.raw(), from.raw(), to.bytes());
}
void CpuBackend::do_upload(const View& to, const void* from) {
    copy_bytes(to.raw(), from, to.bytes());
}
void CpuBackend::do_download(void* to, const View& from) {
    copy_bytes(to, from.raw(), from.bytes());
}

namespace {

/// Round to nearest, ties to even; NaN stays NaN.
std::uint16_t to_bf16(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    if ((bits & 0x7fffffffU) > 0x7f800000U) {
        return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
    }
    return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

}  // namespace

void CpuBackend::do_cast(const View& to, const View& from) {
    if (to.dtype() == from.dtype()) {
        do_copy(to, from);
        return;
    }
    for_ranges(to.size(), element_grain, [&](std::int64_t begin, std::int64_t end) {
        if (to.dtype() == DType::bf16) {
            auto* out = static_cast<std::uint16_t*>(to.raw());
            for (std::int64_t i = begin; i < end; ++i) {
                out[i] = to_bf16(from.f32()[i]);
            }
        } else {
            const auto* in = static_cast<const std::uint16_t*>(from.raw());
            for (std::int64_t i = begin; i < end; ++i) {
                to.f32()[i] = std::bit_cast<float>(static_cast<std::uint32_t>(in[i]) << 16);
            }
        }
    });
}

}  // namespace lrd
