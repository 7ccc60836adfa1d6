// SPDX-License-Identifier: MIT
#include "train/teacher_cache_memory.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/check.hpp"

namespace lrd {

MemoryCache::MemoryCache(CacheLayout all, Communicator& world)
    : TeacherCache(std::move(all)),
      memory_(world.node_memory(own_)),
      arena_(*memory_, "teacher cache"),
      // One region, so that states and windows are shared both or neither.
      bytes_(arena_.region(
          "windows", DType::i8,
          {layout().windows * (static_cast<std::int64_t>(layout().window_bytes()) + 1)})),
      states_(bytes_.slice(0, layout().windows)),
      known_(static_cast<std::size_t>(layout().windows), false) {
    std::size_t offset = 0;
    for (std::size_t i = 0; i < layout().fields.size(); ++i) {
        offsets_.push_back(offset);
        offset += layout().field_bytes(i);
    }
    fresh_.reserve(known_.size());  // so that commit() allocates nothing
    if (memory_->writes()) {
        std::memset(states_.raw(), empty, states_.bytes());
    }
    memory_->publish();
    double copies = memory_->shared() && world.node_size() == world.size() ? 0.0 : 1.0;
    world.all_reduce_max({&copies, 1});
    many_copies_ = world.size() > 1 && copies > 0.0;
}

std::atomic_ref<std::uint8_t> MemoryCache::state(std::int64_t window) {
    return std::atomic_ref(static_cast<std::uint8_t*>(states_.raw())[window]);
}

std::byte* MemoryCache::at(std::int64_t window, std::size_t field) {
    LRD_CHECK(window >= 0 && window < layout().windows, "window {}", window);
    return static_cast<std::byte*>(bytes_.raw()) + states_.bytes() +
           static_cast<std::size_t>(window) * layout().window_bytes() + offsets_[field];
}

void MemoryCache::read(std::int64_t window, std::size_t field, std::span<std::byte> out) {
    std::memcpy(out.data(), at(window, field), out.size());
}

/// Two ranks of a node may compute a window in the step in which one epoch ends and another begins.
bool MemoryCache::claim(std::int64_t window) {
    std::uint8_t expected = empty;
    return state(window).compare_exchange_strong(expected, claimed);
}

void MemoryCache::write(std::int64_t window, std::size_t field, std::span<const std::byte> values) {
    std::memcpy(at(window, field), values.data(), values.size());
}

void MemoryCache::commit(std::int64_t window) {
    state(window).store(there);
    fresh_.push_back(window);
    know(window);
}

void MemoryCache::know(std::int64_t window) {
    if (!has(window)) {
        known_[static_cast<std::size_t>(window)] = true;
        ++present_;
    }
}

void MemoryCache::share(Communicator& world) {
    memory_->publish();
    if (many_copies_) {
        for (int rank = 0; rank < world.size(); ++rank) {
            bring(world, rank);
        }
        memory_->publish();
    }
    fresh_.clear();
    for (std::int64_t window = 0; window < layout().windows; ++window) {
        if (state(window) == there) {
            know(window);
        }
    }
    memory_->publish();  // nobody writes on before all have looked
}

/// What rank `from` has computed, to the copies of the others.
void MemoryCache::bring(Communicator& world, int from) {
    const bool mine = world.rank() == from;
    const std::size_t size = layout().window_bytes();
    std::string ids;
    if (mine) {
        ids.assign(reinterpret_cast<const char*>(fresh_.data()),
                   fresh_.size() * sizeof(std::int64_t));
    }
    world.broadcast(ids, from);
    std::string values;
    for (std::size_t i = 0; i < ids.size(); i += sizeof(std::int64_t)) {
        std::int64_t window = 0;
        std::memcpy(&window, ids.data() + i, sizeof window);
        if (mine) {
            values.assign(reinterpret_cast<const char*>(at(window, 0)), size);
        }
        world.broadcast(values, from);
        if (memory_->writes() && state(window) != there) {
            std::memcpy(at(window, 0), values.data(), size);
            state(window).store(there);
        }
    }
}

}  // namespace lrd
