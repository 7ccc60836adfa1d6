// SPDX-License-Identifier: MIT
// Counter-based random numbers: the i-th number of a stream is a pure function of (seed, stream, i),
// so nothing depends on the number of ranks and a checkpoint needs no generator state.
// Philox4x32-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace lrd {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

class Random {
public:
    /// `stream` names the use ("shuffle", "init student wte.Ce"); streams are independent.
    Random(std::uint64_t seed, std::string_view stream);

    std::array<std::uint32_t, 4> block(std::uint64_t i) const;  ///< the i-th block of 128 bits
    std::uint64_t bits(std::uint64_t i) const;                  ///< 64 uniform bits
    double uniform(std::uint64_t i) const;                      ///< in [0, 1)
    void normal(std::span<float> out, double mean, double stddev) const;

private:
    std::array<std::uint32_t, 2> key_;
    std::uint64_t stream_;
};

/// A bijection of [0, n), chosen by `random`: the image of i, without a table. A Feistel network
/// on the next even power of two, walked until it falls inside.
std::uint64_t permute(const Random& random, std::uint64_t n, std::uint64_t i);

}  // namespace lrd
