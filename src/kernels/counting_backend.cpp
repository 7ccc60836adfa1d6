// SPDX-License-Identifier: MIT
// A backend for plans: it gives addresses that nobody can touch, and runs nothing. What is built on
// it has the sizes of the real thing and costs no memory.
#include <sys/mman.h>

#include <algorithm>

#include "core/check.hpp"
#include "kernels/cpu/cpu_backend.hpp"

namespace lrd {
namespace {

class CountingBackend : public CpuBackend {
public:
    explicit CountingBackend(DType stored) : CpuBackend(stored) { set_idle(); }

    void* allocate(std::size_t bytes) override {
        void* data = mmap(nullptr, std::max<std::size_t>(bytes, 1), PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        LRD_CHECK(data != MAP_FAILED, "no room for the addresses of {} bytes", bytes);
        return data;
    }
    void release(void* data, std::size_t bytes) noexcept override {
        munmap(data, std::max<std::size_t>(bytes, 1));
    }
    void discard(const View&) noexcept override {}
};

}  // namespace

std::unique_ptr<Backend> make_counting_backend(const std::string& precision) {
    const bool bf16 = precision == "bf16" || (precision == "auto" && CpuBackend::has_bf16());
    return std::make_unique<CountingBackend>(bf16 ? DType::bf16 : DType::f32);
}

}  // namespace lrd
