// SPDX-License-Identifier: MIT
// Loops over ranges. Cuts depend on sizes alone, so results do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace lrd {

/// body(begin, end) over [0, n) in pieces of `grain`, in any order.
template <class Body>
void for_ranges(std::int64_t n, std::int64_t grain, Body&& body) {
    const std::int64_t pieces = (n + grain - 1) / grain;
#pragma omp parallel for schedule(static) if (pieces > 1)
    for (std::int64_t i = 0; i < pieces; ++i) {
        body(i * grain, std::min(n, (i + 1) * grain));
    }
}

constexpr std::int64_t element_grain = 16384;  // elements of a piece that is worth a thread

/// Σ body(begin, end) over pieces of at least `grain`, added in order, in fp64.
template <class Body>
double sum_ranges(std::int64_t n, std::int64_t grain, Body&& body) {
    constexpr std::int64_t max_pieces = 512;
    std::array<double, max_pieces> part{};
    const std::int64_t size = std::max(grain, (n + max_pieces - 1) / max_pieces);
    for_ranges(n, size, [&](std::int64_t begin, std::int64_t end) {
        part[static_cast<std::size_t>(begin / size)] = body(begin, end);
    });
    double total = 0.0;
    for (const double value : part) {
        total += value;
    }
    return total;
}

/// Rows of `width` elements in a piece of about 16 Ki elements.
inline std::int64_t rows_of(std::int64_t width) {
    return std::max<std::int64_t>(1, element_grain / std::max<std::int64_t>(1, width));
}

}  // namespace lrd
