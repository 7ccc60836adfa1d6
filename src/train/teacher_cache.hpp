// SPDX-License-Identifier: MIT
// Where a teacher's outputs are kept between epochs: by window, field by field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

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
    /// Windows that read() knows, of all ranks up to the last refresh().
    virtual std::int64_t present() const = 0;
    bool complete() const { return present() == layout_.windows; }

    virtual bool has(std::int64_t window) const = 0;
    virtual void read(std::int64_t window, std::size_t field, std::span<std::byte> out) = 0;

    /// Not known yet, and not on its way from this rank either.
    virtual bool wants(std::int64_t window) const = 0;
    /// Every field of a window that it wants, then commit().
    virtual void write(std::int64_t window, std::size_t field,
                       std::span<const std::byte> values) = 0;
    virtual void commit(std::int64_t window) = 0;

    /// What this rank has committed becomes durable; other ranks find it after refresh().
    virtual void publish() = 0;
    virtual void refresh() = 0;
    /// Tells other jobs that this one lives; cheap.
    virtual void heartbeat() {}

private:
    CacheLayout layout_;
};

/// In the memory of this rank: what it has computed itself.
class MemoryCache : public TeacherCache {
public:
    explicit MemoryCache(CacheLayout layout);
    std::int64_t present() const override { return present_; }
    bool has(std::int64_t window) const override {
        return valid_[static_cast<std::size_t>(window)] != 0;
    }
    bool wants(std::int64_t window) const override { return !has(window); }
    void read(std::int64_t window, std::size_t field, std::span<std::byte> out) override;
    void write(std::int64_t window, std::size_t field, std::span<const std::byte> values) override;
    void commit(std::int64_t window) override;
    void publish() override {}
    void refresh() override {}

private:
    std::byte* at(std::int64_t window, std::size_t field);

    std::vector<std::size_t> offsets_;  // of a field inside its window
    std::vector<unsigned char> valid_;
    std::int64_t present_ = 0;
    // Not touched before it is written, so that memory is taken as windows come.
    std::unique_ptr<std::byte[]> bytes_;
};

}  // namespace lrd
