// SPDX-License-Identifier: MIT
// Communicator: the ranks of one run. A world of one is the identity, so no caller asks.
// MPI is initialised with MPI_THREAD_FUNNELED: only the main thread may call.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "comm/node_memory.hpp"
#include "core/exit_code.hpp"
#include "core/view.hpp"

namespace lrd {

class Communicator {
public:
    virtual ~Communicator() = default;
    virtual int rank() const = 0;
    virtual int size() const = 0;
    virtual int node_rank() const = 0;  ///< rank among the ranks of this node
    virtual int node_size() const = 0;

    // ---- device tensors (f32, dense); `memory` opens them to the host where that is needed
    /// x = Σ over ranks of x, in the background: `x` must not be touched before wait_all().
    virtual void start_all_reduce_sum(Memory& memory, const View& x) = 0;
    virtual void progress() = 0;  ///< lets started reductions advance; call it between layers
    virtual void wait_all() = 0;
    virtual void broadcast(Memory& memory, const View& x, int root) = 0;
    /// Sends `out` to rank `partner` and receives `in` from it; done on return.
    virtual void exchange(Memory&, const View& /*out*/, const View& /*in*/, int /*partner*/) {}

    /// Memory that stands once per node where that can be; to be gone before the session is.
    virtual std::unique_ptr<NodeMemory> node_memory(Memory& own) {
        return std::make_unique<NodeMemory>(own);
    }

    // ---- host values
    virtual void all_reduce_sum(std::span<double> values) = 0;
    virtual void all_reduce_max(std::span<double> values) = 0;
    virtual void broadcast(std::string& bytes, int root) = 0;  ///< resizes on the other ranks
    virtual std::string gather(const std::string& bytes, int root) = 0;  ///< concatenated on root
    /// What the ranks of this node have, equally long, one behind the other, on each of them.
    virtual std::string gather_node(const std::string& bytes) { return bytes; }
    virtual void barrier() = 0;
};

/// MPI for the lifetime of the process. abort() ends all ranks at once, from any state.
class MpiSession {
public:
    MpiSession(int& argc, char**& argv);
    ~MpiSession();
    MpiSession(const MpiSession&) = delete;
    MpiSession& operator=(const MpiSession&) = delete;

    Communicator& world() { return *world_; }
    [[noreturn]] static void abort(ExitCode code);

private:
    std::unique_ptr<Communicator> world_;
};

}  // namespace lrd
