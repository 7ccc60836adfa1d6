// SPDX-License-Identifier: MIT
// Dropout as backend.hpp defines it, one element at a time.
#include <cmath>

#include "reference/ops.hpp"

namespace lrd::reference {

// Salmon et al., SC 2011, figure 4: ten rounds, the key bumped between them.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> x,
                                    std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        if (round > 0) {
            key[0] += 0x9E3779B9U;
            key[1] += 0xBB67AE85U;
        }
        const std::uint64_t left = std::uint64_t{0xD2511F53} * x[0];
        const std::uint64_t right = std::uint64_t{0xCD9E8D57} * x[2];
        const auto high = [](std::uint64_t y) { return static_cast<std::uint32_t>(y >> 32); };
        const auto low = [](std::uint64_t y) { return static_cast<std::uint32_t>(y); };
        x = {high(right) ^ x[1] ^ key[0], low(right), high(left) ^ x[3] ^ key[1], low(left)};
    }
    return x;
}

double drop_factor(const Drop& drop, std::size_t row, std::size_t column, std::size_t head) {
    if (drop.rate == 0.0) {
        return 1.0;
    }
    const std::uint64_t R = drop.first_row + row;
    const auto words =
        philox({static_cast<std::uint32_t>(column / 4), static_cast<std::uint32_t>(head),
                static_cast<std::uint32_t>(R), static_cast<std::uint32_t>(R >> 32)},
               {static_cast<std::uint32_t>(drop.key), static_cast<std::uint32_t>(drop.key >> 32)});
    const double number = words[column % 4] / std::ldexp(1.0, 32);
    return number >= drop.rate ? 1.0 / (1.0 - drop.rate) : 0.0;
}

Matrix dropout(const Matrix& x, const Drop& drop) {
    Matrix y(x);
    for (std::size_t i = 0; i < x.rows; ++i) {
        for (std::size_t j = 0; j < x.cols; ++j) {
            y(i, j) *= drop_factor(drop, i, j);
        }
    }
    return y;
}

}  // namespace lrd::reference
