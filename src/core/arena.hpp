// SPDX-License-Identifier: MIT
// Memory: who gives bytes. Arena: who owns them. Views: who uses them.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/view.hpp"

namespace lrd {

/// A source of device memory; every Backend is one.
class Memory {
public:
    virtual ~Memory() = default;
    virtual void* allocate(
        std::size_t bytes) = 0;  ///< 64-byte aligned; throws Error(out_of_memory)
    virtual void release(void* data, std::size_t bytes) noexcept = 0;
    /// The content of `view` is of no use any more: its pages may go until somebody writes there.
    virtual void discard(const View& /*view*/) noexcept {}
    /// Between begin and end the host (MPI, say) may touch the bytes of `view` in place. Only
    /// memory that the host can address answers; the calls nest.
    virtual void begin_host_access(const View& view) = 0;
    virtual void end_host_access(const View& view) noexcept = 0;
    /// True if this is the host's own memory, open at all times: then processes can share it.
    virtual bool is_host() const { return false; }
};

/// Keeps `view` open to the host for its lifetime.
class HostAccess {
public:
    HostAccess(Memory& memory, const View& view) : memory_(memory), view_(view) {
        memory_.begin_host_access(view_);
    }
    ~HostAccess() { memory_.end_host_access(view_); }
    HostAccess(const HostAccess&) = delete;
    HostAccess& operator=(const HostAccess&) = delete;

private:
    Memory& memory_;
    View view_;
};

/// Owns named regions of one lifetime class ("student lrc activations"). Regions are taken at
/// construction time of their users, never inside a step; all are released together.
class Arena {
public:
    struct Region {
        std::string name;
        void* data;
        std::size_t bytes;
    };

    Arena(Memory& memory, std::string name) : memory_(&memory), name_(std::move(name)) {}
    ~Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    Arena(Arena&& other) noexcept;

    /// A new region of undefined content.
    View region(const std::string& name, DType dtype, std::initializer_list<std::int64_t> shape);

    void discard(const View& view) noexcept { memory_->discard(view); }

    const std::string& name() const { return name_; }
    const std::vector<Region>& regions() const { return regions_; }
    std::size_t bytes() const;

private:
    Memory* memory_;
    std::string name_;
    std::vector<Region> regions_;
};

}  // namespace lrd
