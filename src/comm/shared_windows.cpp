// SPDX-License-Identifier: MIT
#include "comm/shared_windows.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>

#include "comm/mpi_check.hpp"
#include "core/log.hpp"

namespace lrd {

SharedWindows::SharedWindows(MPI_Comm node, Memory& own) : NodeMemory(own), node_(node) {
    LRD_MPI_CHECK(MPI_Comm_rank(node_, &rank_));
}

void* SharedWindows::allocate(std::size_t bytes) {
    void* data = shares_ && has_room(bytes) ? share(bytes) : nullptr;
    int all = data != nullptr ? 1 : 0;
    LRD_MPI_CHECK(MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, node_));
    if (all == 1) {
        return data;
    }
    if (shares_ && rank_ == 0) {
        log::warning(
            "the ranks of a node cannot share {:.0f} MiB of memory, so that each has its own copy; "
            "more room in /dev/shm may help",
            static_cast<double>(bytes) / 1048576.0);
    }
    shares_ = false;
    return NodeMemory::allocate(bytes);
}

/// Open MPI puts a window into a file in memory, and where that does not fit one rank fails while
/// the others wait for it: so its folder is looked at before. The same on all ranks.
bool SharedWindows::has_room(std::size_t bytes) const {
    int room = 1;
    const char* folder = std::getenv("OMPI_MCA_osc_sm_backing_directory");
    struct statvfs disk {};
    if (rank_ == 0 && ::statvfs(folder != nullptr ? folder : "/dev/shm", &disk) == 0) {
        const double free = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
        room = free > 1.05 * static_cast<double>(bytes) + 65536.0 ? 1 : 0;
    }
    LRD_MPI_CHECK(MPI_Bcast(&room, 1, MPI_INT, 0, node_));
    return room == 1;
}

/// Null where MPI has no such memory.
void* SharedWindows::share(std::size_t bytes) {
    constexpr std::size_t alignment = 64;
    const auto mine = static_cast<MPI_Aint>(rank_ == 0 ? bytes + alignment : 0);
    void* base = nullptr;
    MPI_Win window = MPI_WIN_NULL;
    if (MPI_Win_allocate_shared(mine, 1, MPI_INFO_NULL, node_, &base, &window) != MPI_SUCCESS) {
        return nullptr;
    }
    MPI_Aint size = 0;
    int unit = 0;
    LRD_MPI_CHECK(MPI_Win_shared_query(window, 0, &size, &unit, &base));
    LRD_MPI_CHECK(MPI_Win_lock_all(MPI_MODE_NOCHECK, window));
    auto room = static_cast<std::size_t>(size);
    void* data = std::align(alignment, bytes, base, room);
    windows_.push_back({data, window});
    return data;
}

void SharedWindows::publish() {
    const auto sync = [&] {
        for (const Window& one : windows_) {
            LRD_MPI_CHECK(MPI_Win_sync(one.handle));
        }
    };
    sync();
    LRD_MPI_CHECK(MPI_Barrier(node_));
    sync();
}

void SharedWindows::release(void* data, std::size_t bytes) noexcept {
    const auto at = std::find_if(windows_.begin(), windows_.end(),
                                 [&](const Window& one) { return one.data == data; });
    if (at == windows_.end()) {
        NodeMemory::release(data, bytes);
        return;
    }
    // While an exception is on its way other ranks are elsewhere, and freeing would wait for them.
    if (std::uncaught_exceptions() == 0) {
        MPI_Win_unlock_all(at->handle);
        MPI_Win_free(&at->handle);
    }
    windows_.erase(at);
}

}  // namespace lrd
