// SPDX-License-Identifier: MIT
#include "data/block_cache.hpp"

#include <algorithm>

namespace lrd {

BlockCache::Block& BlockCache::make_room(std::int64_t size) {
    const auto blocks = static_cast<std::int64_t>(blocks_.size());
    if (blocks == 0 || (blocks + 1) * size <= most_) {
        return blocks_.emplace_back();
    }
    return *std::min_element(blocks_.begin(), blocks_.end(),
                             [](const Block& a, const Block& b) { return a.used < b.used; });
}

}  // namespace lrd
