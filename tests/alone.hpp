// SPDX-License-Identifier: MIT
#pragma once

#include "comm/communicator.hpp"

namespace lrd::test {

/// A world of one without MPI.
class Alone : public Communicator {
public:
    int rank() const override { return 0; }
    int size() const override { return 1; }
    int node_rank() const override { return 0; }
    int node_size() const override { return 1; }
    void start_all_reduce_sum(Memory&, const View&) override {}
    void progress() override {}
    void wait_all() override {}
    void broadcast(Memory&, const View&, int) override {}
    void all_reduce_sum(std::span<double>) override {}
    void all_reduce_max(std::span<double>) override {}
    void broadcast(std::string&, int) override {}
    std::string gather(const std::string& bytes, int) override { return bytes; }
    void barrier() override {}
};

}  // namespace lrd::test
