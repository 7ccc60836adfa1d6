// SPDX-License-Identifier: MIT
#include "core/random.hpp"

#include <bit>
#include <cmath>
#include <numbers>

#include "core/check.hpp"

namespace lrd {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c,
                                    std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0];
        const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c[2];
        c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ key[0], static_cast<std::uint32_t>(p1),
             static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ key[1], static_cast<std::uint32_t>(p0)};
        key[0] += 0x9E3779B9;
        key[1] += 0xBB67AE85;
    }
    return c;
}

Random::Random(std::uint64_t seed, std::string_view stream)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      stream_(0xcbf29ce484222325ULL) {
    for (const char c : stream) {  // FNV-1a
        stream_ = (stream_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    }
}

std::array<std::uint32_t, 4> Random::block(std::uint64_t i) const {
    return philox({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32),
                   static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
                  key_);
}

std::uint64_t Random::bits(std::uint64_t i) const {
    const auto b = block(i);
    return (std::uint64_t{b[0]} << 32) | b[1];
}

double Random::uniform(std::uint64_t i) const {
    return static_cast<double>(bits(i) >> 11) * 0x1p-53;
}

void Random::normal(std::span<float> out, double mean, double stddev) const {
    // Box-Muller: one block of four words gives two normals.
    for (std::size_t i = 0; i < out.size(); i += 2) {
        const auto b = block(i / 2);
        const std::uint64_t w0 = (std::uint64_t{b[0]} << 32) | b[1];
        const std::uint64_t w1 = (std::uint64_t{b[2]} << 32) | b[3];
        const double u = (static_cast<double>(w0 >> 11) + 0.5) * 0x1p-53;
        const double angle = 2.0 * std::numbers::pi * static_cast<double>(w1 >> 11) * 0x1p-53;
        const double radius = stddev * std::sqrt(-2.0 * std::log(u));
        out[i] = static_cast<float>(mean + radius * std::cos(angle));
        if (i + 1 < out.size()) {
            out[i + 1] = static_cast<float>(mean + radius * std::sin(angle));
        }
    }
}

std::uint64_t permute(const Random& random, std::uint64_t n, std::uint64_t i) {
    LRD_CHECK(i < n, "{} is not in [0, {})", i, n);
    const int half = (static_cast<int>(std::bit_width(n - 1)) + 1) / 2;
    const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
    do {
        std::uint64_t left = i >> half;
        std::uint64_t right = i & mask;
        for (std::uint64_t round = 0; round < 8; ++round) {
            const std::uint64_t next = left ^ (random.bits((round << 56) ^ right) & mask);
            left = right;
            right = next;
        }
        i = (left << half) | right;
    } while (i >= n);
    return i;
}

}  // namespace lrd
