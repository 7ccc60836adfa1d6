// SPDX-License-Identifier: MIT
#pragma once

#include "core/arena.hpp"

namespace lrd {

/// Memory for what is written once and then only read, like a teacher's weights: where the ranks of
/// a node can share memory, one copy stands for all of them. Allocation, release and publish() are
/// then collective over these ranks, in the same order. This class is the other case, in which
/// every rank has a copy of its own: one rank on the node, or memory of a device.
class NodeMemory : public Memory {
public:
    explicit NodeMemory(Memory& own) : own_(own) {}

    /// False where every rank has a copy of its own. Ask after allocating.
    virtual bool shared() const { return false; }
    /// True on the ranks that have to write. Ask after allocating.
    virtual bool writes() const { return true; }
    /// All ranks of the node wait here for each other and then see what was written before.
    virtual void publish() {}

    void* allocate(std::size_t bytes) override { return own_.allocate(bytes); }
    void release(void* data, std::size_t bytes) noexcept override { own_.release(data, bytes); }
    void discard(const View& view) noexcept override {
        if (!shared()) {
            own_.discard(view);
        }
    }
    void begin_host_access(const View& view) override { own_.begin_host_access(view); }
    void end_host_access(const View& view) noexcept override { own_.end_host_access(view); }
    bool is_host() const override { return own_.is_host(); }

private:
    Memory& own_;
};

}  // namespace lrd
