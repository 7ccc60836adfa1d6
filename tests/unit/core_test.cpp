// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/random.hpp"
#include "core/view.hpp"
#include "expect_error.hpp"

namespace lrd::test {
namespace {

using Words = std::array<std::uint32_t, 4>;

TEST(Random, PhiloxOfPublishedValues) {
    // kat_vectors of Random123 for philox4x32-10: counter, key → block.
    constexpr std::uint32_t ones = 0xffffffffU;
    EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
              (Words{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U}));
    EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}),
              (Words{0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU}));
    EXPECT_EQ(
        philox({0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}, {0xa4093822U, 0x299f31d0U}),
        (Words{0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U}));
}

TEST(Random, StreamsAndSeedsDiffer) {
    EXPECT_NE(Random(1, "a").bits(0), Random(1, "b").bits(0));
    EXPECT_NE(Random(1, "a").bits(0), Random(2, "a").bits(0));
    EXPECT_EQ(Random(1, "a").bits(5), Random(1, "a").bits(5));
}

TEST(Random, NormalHasItsMoments) {
    std::vector<float> x(100001);
    Random(3, "moments").normal(x, 2.0, 0.5);
    double mean = 0.0;
    double square = 0.0;
    double fourth = 0.0;
    for (const float v : x) {
        const double d = (static_cast<double>(v) - 2.0) / 0.5;
        mean += d;
        square += d * d;
        fourth += d * d * d * d;
    }
    const auto n = static_cast<double>(x.size());
    EXPECT_NEAR(mean / n, 0.0, 4.0 / std::sqrt(n));
    EXPECT_NEAR(square / n, 1.0, 6.0 / std::sqrt(n));
    EXPECT_NEAR(fourth / n, 3.0, 40.0 / std::sqrt(n));
}

TEST(Random, PermuteIsABijectionThatDependsOnTheStream) {
    for (const std::uint64_t n : {1U, 2U, 3U, 7U, 64U, 1000U}) {
        std::vector<int> seen(n, 0);
        for (std::uint64_t i = 0; i < n; ++i) {
            ++seen.at(permute(Random(1, "epoch 0"), n, i));
        }
        EXPECT_EQ(seen, std::vector<int>(n, 1)) << n;
    }
    int same = 0;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        same += permute(Random(1, "epoch 0"), 1000, i) == permute(Random(1, "epoch 1"), 1000, i)
                    ? 1
                    : 0;
    }
    EXPECT_LT(same, 10);
}

TEST(View, SlicesTransposesAndCuts) {
    std::vector<float> x(12);
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<float>(i);
    }
    const View v(x.data(), DType::f32, {3, 4});
    EXPECT_EQ(v.describe(), "f32[3, 4]");
    EXPECT_EQ(v.slice(1, 3).f32()[0], 4.0F);
    EXPECT_EQ(v.t().slice(2, 3).f32()[0], 2.0F);
    EXPECT_EQ(v.columns(1, 3).cols(), 2);
    EXPECT_EQ(v.columns(1, 3).f32()[v.columns(1, 3).stride(0)], 5.0F);
    EXPECT_TRUE(v.dense());
    EXPECT_FALSE(v.t().dense());
    EXPECT_FALSE(v.columns(1, 3).dense());
    EXPECT_EQ(v.at(5, {7}).f32()[0], 5.0F);
    EXPECT_ERROR(ExitCode::internal, "rows", v.slice(2, 4));
    EXPECT_ERROR(ExitCode::internal, "dense", v.t().reshape({12}));
    EXPECT_ERROR(ExitCode::internal, "from 5", v.at(5, {8}));
    EXPECT_ERROR(ExitCode::internal, "wanted i32", v.i32());
}

}  // namespace
}  // namespace lrd::test
