// SPDX-License-Identifier: MIT
#pragma once

#include "core/arena.hpp"

namespace lrd {

/// The memory of this process. Pages are taken when they are first touched.
class HostMemory : public Memory {
public:
    void* allocate(std::size_t bytes) override;
    void release(void* data, std::size_t bytes) noexcept override;
    void discard(const View& view) noexcept override;
    void begin_host_access(const View&) override {}
    void end_host_access(const View&) noexcept override {}
    bool is_host() const override { return true; }
};

}  // namespace lrd
