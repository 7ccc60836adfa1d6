// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/host_memory.hpp"
#include "train/teacher_cache.hpp"

namespace lrd {

/// In the memory of each node, once for all its ranks.
class MemoryCache : public TeacherCache {
public:
    /// Collective, as the destructor is.
    MemoryCache(CacheLayout layout, Communicator& world);

    bool shared() const { return memory_->shared(); }  ///< false: every rank has a copy of its own
    std::int64_t present() const override { return present_; }
    bool has(std::int64_t window) const override {
        return known_[static_cast<std::size_t>(window)];
    }
    void read(std::int64_t window, std::size_t field, std::span<std::byte> out) override;
    bool claim(std::int64_t window) override;
    void write(std::int64_t window, std::size_t field, std::span<const std::byte> values) override;
    void commit(std::int64_t window) override;
    void share(Communicator& world) override;

private:
    enum State : std::uint8_t { empty, claimed, there };
    std::atomic_ref<std::uint8_t> state(std::int64_t window);
    std::byte* at(std::int64_t window, std::size_t field);
    void bring(Communicator& world, int from);
    void know(std::int64_t window);

    std::vector<std::size_t> offsets_;  // of a field inside its window
    HostMemory own_;
    std::unique_ptr<NodeMemory> memory_;
    Arena arena_;
    View bytes_;   // states, then (windows, window_bytes); a page is taken when it is written
    View states_;  // (windows)
    bool many_copies_ = false;
    std::vector<bool> known_;          // (windows) to this rank
    std::vector<std::int64_t> fresh_;  // committed here since the last share()
    std::int64_t present_ = 0;
};

}  // namespace lrd
