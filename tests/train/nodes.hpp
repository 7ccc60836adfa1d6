// SPDX-License-Identifier: MIT
// The world on other nodes than it is on.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <memory>
#include <string>

#include "comm/shared_windows.hpp"
#include "mpi/mpi_main.hpp"

namespace lrd::test {

/// The world, as if each of its ranks were alone on its node.
class OneRankPerNode : public Communicator {
public:
    int rank() const override { return world().rank(); }
    int size() const override { return world().size(); }
    int node_rank() const override { return 0; }
    int node_size() const override { return 1; }
    void start_all_reduce_sum(Memory& m, const View& x) override {
        world().start_all_reduce_sum(m, x);
    }
    void progress() override { world().progress(); }
    void wait_all() override { world().wait_all(); }
    void broadcast(Memory& m, const View& x, int root) override { world().broadcast(m, x, root); }
    void all_reduce_sum(std::span<double> values) override { world().all_reduce_sum(values); }
    void all_reduce_max(std::span<double> values) override { world().all_reduce_max(values); }
    void broadcast(std::string& bytes, int root) override { world().broadcast(bytes, root); }
    std::string gather(const std::string& bytes, int root) override {
        return world().gather(bytes, root);
    }
    void barrier() override { world().barrier(); }
};

/// Ranks 0 and 1 on a node, each other one on its own.
class UnequalNodes : public OneRankPerNode {
public:
    UnequalNodes() { MPI_Comm_split(MPI_COMM_WORLD, std::max(0, rank() - 1), rank(), &node_); }
    ~UnequalNodes() override { MPI_Comm_free(&node_); }
    int node_rank() const override { return rank() == 1 ? 1 : 0; }
    int node_size() const override { return rank() < 2 && size() > 1 ? 2 : 1; }
    std::unique_ptr<NodeMemory> node_memory(Memory& own) override {
        return node_size() > 1 ? std::make_unique<SharedWindows>(node_, own)
                               : OneRankPerNode::node_memory(own);
    }

private:
    MPI_Comm node_ = MPI_COMM_NULL;
};

}  // namespace lrd::test
