// SPDX-License-Identifier: MIT
#include <cstring>

#include "core/host_memory.hpp"
#include "kernels/cpu/bf16.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/parallel.hpp"

namespace lrd {

void* CpuBackend::allocate(std::size_t bytes) { return HostMemory().allocate(bytes); }

void CpuBackend::release(void* data, std::size_t bytes) noexcept {
    HostMemory().release(data, bytes);
}

void CpuBackend::discard(const View& view) noexcept { HostMemory().discard(view); }

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

LRD_HOT void narrow_range(Bf16* to, const float* from, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        to[i] = rounded(from[i]);
    }
}

LRD_HOT void widen(float* to, const Bf16* from, std::int64_t n) {
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) {
        to[i] = value_of(from[i]);
    }
}

}  // namespace

// Compilers name the dispatcher of clones differently: no clone is called from another file.
void narrow(Bf16* to, const float* from, std::int64_t n) { narrow_range(to, from, n); }

void CpuBackend::do_cast(const View& to, const View& from) {
    if (to.dtype() == from.dtype()) {
        do_copy(to, from);
        return;
    }
    for_ranges(to.size(), element_grain, [&](std::int64_t begin, std::int64_t end) {
        if (to.dtype() == DType::bf16) {
            narrow(elements<Bf16>(to) + begin, from.f32() + begin, end - begin);
        } else {
            widen(to.f32() + begin, elements<Bf16>(from) + begin, end - begin);
        }
    });
}

}  // namespace lrd
