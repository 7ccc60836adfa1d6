// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "comm/communicator.hpp"

namespace lrd {

/// [first, last) of `total` items for `rank` of `size`: whole items, the first ranks one more.
struct Share {
    std::int64_t first, last;
};
Share share_of(std::int64_t total, int rank, int size);

/// Rows of numbers, one per item (a micro-batch, a batch of an evaluation), summed in the order of
/// the items: the sum has the same bits whichever rank had which item.
class OrderedSum {
public:
    /// `mine`: this rank's of `items` items; `width`: numbers of a row.
    OrderedSum(Communicator& world, Share mine, std::int64_t items, std::int64_t width);

    /// Where the row of one of this rank's items goes before sum().
    float* row(std::int64_t item) { return rows_.data() + (item - mine_.first) * width_; }
    /// Σ over the items of all ranks; every rank gets it.
    const std::vector<double>& sum();

private:
    Communicator& world_;
    Share mine_;
    std::int64_t items_, width_;
    std::vector<float> rows_;    // (this rank's items, width)
    std::vector<double> block_;  // (some items of all ranks, width)
    std::vector<double> sum_;    // (width)
};

}  // namespace lrd
