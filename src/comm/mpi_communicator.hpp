// SPDX-License-Identifier: MIT
#pragma once

#include <mpi.h>

#include <memory>
#include <vector>

#include "comm/communicator.hpp"

namespace lrd {

class MpiCommunicator : public Communicator {
public:
    /// Its own copy of `parent`, so that messages of others never meet ours.
    explicit MpiCommunicator(MPI_Comm parent);
    ~MpiCommunicator() override;
    MpiCommunicator(const MpiCommunicator&) = delete;
    MpiCommunicator& operator=(const MpiCommunicator&) = delete;

    int rank() const override { return rank_; }
    int size() const override { return size_; }
    int node_rank() const override { return node_rank_; }
    int node_size() const override { return node_size_; }

    void start_all_reduce_sum(Memory& memory, const View& x) override;
    void progress() override;
    void wait_all() override;
    void broadcast(Memory& memory, const View& x, int root) override;
    void exchange(Memory& memory, const View& out, const View& in, int partner) override;
    std::unique_ptr<NodeMemory> node_memory(Memory& own) override;

    void all_reduce_sum(std::span<double> values) override;
    void all_reduce_max(std::span<double> values) override;
    void broadcast(std::string& bytes, int root) override;
    std::string gather(const std::string& bytes, int root) override;
    std::string gather_node(const std::string& bytes) override;
    void barrier() override;

private:
    void all_reduce(std::span<double> values, MPI_Op op);

    MPI_Comm comm_ = MPI_COMM_NULL, node_ = MPI_COMM_NULL;
    int rank_ = 0, size_ = 1, node_rank_ = 0, node_size_ = 1;
    std::vector<MPI_Request> requests_;
    std::vector<std::unique_ptr<HostAccess>> open_;  // memory under way stays open to the host
};

}  // namespace lrd
