// SPDX-License-Identifier: MIT
#include "train/teacher_cache.hpp"

#include <algorithm>
#include <cstring>

#include "core/check.hpp"

namespace lrd {

std::size_t CacheLayout::window_bytes() const {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        bytes += field_bytes(i);
    }
    return bytes;
}

std::size_t CacheLayout::find(const std::string& name) const {
    const auto at = std::find_if(fields.begin(), fields.end(),
                                 [&](const CacheField& field) { return field.name == name; });
    return static_cast<std::size_t>(at - fields.begin());
}

MemoryCache::MemoryCache(CacheLayout all)
    : TeacherCache(std::move(all)), valid_(static_cast<std::size_t>(layout().windows), 0) {
    std::size_t offset = 0;
    for (std::size_t i = 0; i < layout().fields.size(); ++i) {
        offsets_.push_back(offset);
        offset += layout().field_bytes(i);
    }
    bytes_ = std::make_unique_for_overwrite<std::byte[]>(offset * valid_.size());
}

std::byte* MemoryCache::at(std::int64_t window, std::size_t field) {
    LRD_CHECK(window >= 0 && window < layout().windows, "window {}", window);
    return bytes_.get() + static_cast<std::size_t>(window) * layout().window_bytes() +
           offsets_[field];
}

void MemoryCache::read(std::int64_t window, std::size_t field, std::span<std::byte> out) {
    std::memcpy(out.data(), at(window, field), out.size());
}

void MemoryCache::write(std::int64_t window, std::size_t field, std::span<const std::byte> values) {
    std::memcpy(at(window, field), values.data(), values.size());
}

void MemoryCache::commit(std::int64_t window) {
    valid_[static_cast<std::size_t>(window)] = 1;
    ++present_;
}

}  // namespace lrd
