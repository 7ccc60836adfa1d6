// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace lrd {

/// Threads of all ranks that share a list of independent pieces of work. What one of them throws,
/// all ranks throw: the first rank's error, with its sentence and code.
class Team {
public:
    Team(Communicator& world, int threads) : world_(&world), threads_(threads) {}

    int threads() const { return threads_; }  ///< of this rank
    int rank() const { return world_->rank(); }
    Communicator& world() const { return *world_; }

    /// work(i, thread) once for each i, somewhere; `sizes[i]` says about how much it is. The
    /// same thread number is never at work twice at a time. Rank 0 shows progress.
    void run(const std::string& what, const std::vector<std::int64_t>& sizes,
             const std::function<void(std::size_t i, int thread)>& work) const;
    void on_all(const std::function<void()>& work) const;    ///< once on each rank
    void on_first(const std::function<void()>& work) const;  ///< on rank 0, the others wait

    /// What all ranks have, one behind the other, on every rank.
    std::string share(const std::string& mine) const;
    void broadcast(std::string& bytes) const { world_->broadcast(bytes, 0); }

private:
    Communicator* world_;
    int threads_;
};

/// Which rank does which piece: the largest first, each to the rank with the least so far.
std::vector<int> spread(const std::vector<std::int64_t>& sizes, int ranks);

}  // namespace lrd
