// SPDX-License-Identifier: MIT
#include "core/host_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
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

void HostMemory::discard(const View& view) noexcept {
    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<std::uintptr_t>(view.raw());
    const std::uintptr_t first = (begin + page - 1) / page * page;
    const std::uintptr_t end = (begin + view.bytes()) / page * page;
    if (first < end) {
        madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
    }
}

}  // namespace lrd
