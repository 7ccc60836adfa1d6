// SPDX-License-Identifier: MIT
// The pieces of vectorised loops whose errors disappear in the tolerances of whole ops.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/cpu/bf16.hpp"
#include "kernels/cpu/simd.hpp"

namespace lrd::test {
namespace {

TEST(Exponential, OfTwoAndOfE) {
    for (float x = -86.5F; x < 88.0F; x += 0.00731F) {
        const double e = std::exp(static_cast<double>(x));
        EXPECT_NEAR(static_cast<double>(fast_exp(x)), e, 1.2e-7 * e) << x;
        const double two = std::exp2(static_cast<double>(x));
        EXPECT_NEAR(static_cast<double>(fast_exp2(x)), two, 3e-7 * two) << x;
    }
    EXPECT_EQ(fast_exp(-100.0F), 0.0F);
    for (const float x : {-126.0F, -1e30F, -std::numeric_limits<float>::infinity()}) {
        EXPECT_GT(fast_exp2(x), 0.0F) << x;
        EXPECT_LT(fast_exp2(x), 3e-38F) << x;
    }
    const float nan = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(std::isnan(fast_exp(nan)) && std::isnan(fast_exp2(nan)) &&
                std::isnan(fast_exp2(-nan)));
}

TEST(Rounding, OfResultsIsThatOfAllNumbers) {
    for (std::uint32_t bits = 0; bits < 0xFFFF0000U; bits += 0x1999) {
        for (const std::uint32_t lower : {0x0000U, 0x7FFFU, 0x8000U, 0x8001U, 0xFFFFU}) {
            const auto x = std::bit_cast<float>((bits & 0xFFFF0000U) | lower);
            if (!std::isnan(x)) {
                EXPECT_EQ(rounded_result(x).bits, rounded(x).bits) << x;
            }
        }
    }
    const auto negative = std::bit_cast<float>(0xFFFF0000U);  // the NaN nearest to a carry
    EXPECT_TRUE(std::isnan(value_of(rounded_result(negative))));
}

}  // namespace
}  // namespace lrd::test
