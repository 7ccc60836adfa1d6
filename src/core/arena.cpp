// SPDX-License-Identifier: MIT
#include "core/arena.hpp"

#include <utility>

namespace lrd {

Arena::~Arena() {
    for (const Region& region : regions_) {
        memory_->release(region.data, region.bytes);
    }
}

Arena::Arena(Arena&& other) noexcept
    : memory_(other.memory_),
      name_(std::move(other.name_)),
      regions_(std::exchange(other.regions_, {})) {}

View Arena::region(const std::string& name, DType dtype,
                   std::initializer_list<std::int64_t> shape) {
    const std::size_t bytes = View(nullptr, dtype, shape).bytes();
    regions_.reserve(regions_.size() + 1);
    void* data = memory_->allocate(bytes);
    regions_.push_back({name, data, bytes});
    return View(data, dtype, shape);
}

std::size_t Arena::bytes() const {
    std::size_t sum = 0;
    for (const Region& region : regions_) {
        sum += region.bytes;
    }
    return sum;
}

}  // namespace lrd
