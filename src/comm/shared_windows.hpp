// SPDX-License-Identifier: MIT
#pragma once

#include <mpi.h>

#include <vector>

#include "comm/node_memory.hpp"

namespace lrd {

/// Host memory that the ranks of a node share: an MPI-3 shared window per allocation, whose bytes
/// all belong to the first rank of the node. Where MPI has none to give (a small /dev/shm, say),
/// every rank gets memory of its own, with a warning.
class SharedWindows : public NodeMemory {
public:
    SharedWindows(MPI_Comm node, Memory& own);

    bool shared() const override { return shares_; }
    bool writes() const override { return !shares_ || rank_ == 0; }
    void publish() override;
    void* allocate(std::size_t bytes) override;
    void release(void* data, std::size_t bytes) noexcept override;

private:
    struct Window {
        void* data;
        MPI_Win handle;
    };
    bool has_room(std::size_t bytes) const;
    void* share(std::size_t bytes);

    MPI_Comm node_;
    int rank_ = 0;
    bool shares_ = true;
    std::vector<Window> windows_;
};

}  // namespace lrd
