// SPDX-License-Identifier: MIT
#include "core/host_memory.hpp"

#include <cstdlib>

#include "core/check.hpp"

namespace lrd {

void* HostMemory::allocate(std::size_t bytes) {
    constexpr std::size_t alignment = 64;
    const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
    void* data = std::aligned_alloc(alignment, whole == 0 ? alignment : whole);
    if (data == nullptr) {
        fail(ExitCode::out_of_memory,
             "no memory for another {:.1f} MiB; lower train.micro_batch or "
             "the number of students, or start fewer ranks per node",
             static_cast<double>(bytes) / (1024.0 * 1024.0));
    }
    return data;
}

void HostMemory::release(void* data, std::size_t) noexcept { std::free(data); }

}  // namespace lrd
