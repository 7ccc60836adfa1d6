// SPDX-License-Identifier: MIT
// Where a teacher's outputs are kept between epochs: by window, field by field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "train/teacher_cache_size.hpp"

namespace lrd {

/// What a window has: for each field (T, width) values.
struct CacheLayout {
    std::vector<CacheField> fields;
    std::int64_t windows = 0, T = 0;

    std::size_t field_bytes(std::size_t field) const {  ///< of one window
        return static_cast<std::size_t>(T * fields[field].bytes_per_token());
    }
    std::size_t window_bytes() const;
    /// Where the field is, or fields.size().
    std::size_t find(const std::string& name) const;
};

class TeacherCache {
public:
    explicit TeacherCache(CacheLayout layout) : layout_(std::move(layout)) {}
    virtual ~TeacherCache() = default;
    TeacherCache(const TeacherCache&) = delete;
    TeacherCache& operator=(const TeacherCache&) = delete;

    const CacheLayout& layout() const { return layout_; }
    /// Windows that read() knows, of all ranks up to the last share().
    virtual std::int64_t present() const = 0;
    bool complete() const { return present() == layout_.windows; }

    virtual bool has(std::int64_t window) const = 0;
    virtual void read(std::int64_t window, std::size_t field, std::span<std::byte> out) = 0;

    /// True if the window is not known yet and nobody seen from here is about to write it: the
    /// caller then has to write() every field of it and commit() it.
    virtual bool claim(std::int64_t window) = 0;
    virtual void write(std::int64_t window, std::size_t field,
                       std::span<const std::byte> values) = 0;
    virtual void commit(std::int64_t window) = 0;

    /// What each rank has committed becomes durable, if the cache is, and known to all. Collective.
    virtual void share(Communicator& world) = 0;
    /// Tells other jobs that this one lives; cheap.
    virtual void heartbeat() {}

private:
    CacheLayout layout_;
};

}  // namespace lrd
