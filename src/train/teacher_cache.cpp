// SPDX-License-Identifier: MIT
#include "train/teacher_cache.hpp"

#include <algorithm>

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

}  // namespace lrd
