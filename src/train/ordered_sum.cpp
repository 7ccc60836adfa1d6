// SPDX-License-Identifier: MIT
#include "train/ordered_sum.hpp"

#include <algorithm>
#include <functional>

namespace lrd {

Share share_of(std::int64_t total, int rank, int size) {
    const std::int64_t each = total / size;
    const std::int64_t more = total % size;
    const std::int64_t first = rank * each + std::min<std::int64_t>(rank, more);
    return {first, first + each + (rank < more ? 1 : 0)};
}

OrderedSum::OrderedSum(Communicator& world, Share mine, std::int64_t items, std::int64_t width)
    : world_(world), mine_(mine), items_(items), width_(width) {
    constexpr std::int64_t numbers = std::int64_t{1} << 16;  // of a block
    const std::int64_t of_block = std::clamp<std::int64_t>(numbers / width, 1, items);
    rows_.resize(static_cast<std::size_t>((mine.last - mine.first) * width));
    block_.resize(static_cast<std::size_t>(of_block * width));
    sum_.resize(static_cast<std::size_t>(width));
}

// A row has one rank that fills it and zeros from all others, so the reduction over the ranks adds
// nothing but zeros, in whatever order, and is exact.
const std::vector<double>& OrderedSum::sum() {
    std::fill(sum_.begin(), sum_.end(), 0.0);
    const std::int64_t of_block = std::ssize(block_) / width_;
    for (std::int64_t begin = 0; begin < items_; begin += of_block) {
        const std::int64_t end = std::min(begin + of_block, items_);
        const auto at = [&](std::int64_t item) { return block_.data() + (item - begin) * width_; };
        std::fill(block_.begin(), block_.end(), 0.0);
        for (std::int64_t i = std::max(begin, mine_.first); i < std::min(end, mine_.last); ++i) {
            std::copy_n(row(i), width_, at(i));
        }
        world_.all_reduce_sum({block_.data(), static_cast<std::size_t>((end - begin) * width_)});
        for (std::int64_t i = begin; i < end; ++i) {
            std::transform(sum_.begin(), sum_.end(), at(i), sum_.begin(), std::plus<>());
        }
    }
    return sum_;
}

}  // namespace lrd
