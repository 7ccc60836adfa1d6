// SPDX-License-Identifier: MIT
// Values that can be checked by hand, for what finite differences cannot see: a forward function
// that is wrong in itself has a gradient that fits it.
#include <gtest/gtest.h>

#include <cmath>

#include "reference/ops.hpp"

namespace lrd::test {
namespace {

using namespace reference;

Matrix matrix(std::size_t rows, std::size_t cols, Vector data) {
    Matrix out(rows, cols);
    out.data = std::move(data);
    return out;
}

TEST(ReferenceLiteral, MatmulWithBias) {
    const Matrix c = matmul(matrix(2, 2, {1, 2, 3, 4}), matrix(2, 2, {5, 6, 7, 8}), {0.5, -1});
    EXPECT_EQ(c.data, (Vector{19.5, 21, 43.5, 49}));
}

TEST(ReferenceLiteral, GeluOfOneAndOfMinusOne) {
    // x/2·(1 + tanh(0.7978845608·1.044715)), tanh(0.8335620…) = 0.6823842…
    const Matrix y = gelu(matrix(1, 3, {1, -1, 0}));
    EXPECT_NEAR(y(0, 0), 0.841191990608, 1e-9);
    EXPECT_NEAR(y(0, 1), -0.158808009392, 1e-9);
    EXPECT_EQ(y(0, 2), 0.0);
}

TEST(ReferenceLiteral, LayerNormOfPlusMinusOne) {
    const auto out = layernorm(matrix(1, 2, {1, 2}), matrix(1, 2, {1, 2}), {2, 2}, {10, 20});
    EXPECT_EQ(out.h.data, (Vector{2, 4}));
    EXPECT_EQ(out.mean[0], 3.0);
    EXPECT_NEAR(out.rstd[0], 1.0 / std::sqrt(1.00001), 1e-15);
    EXPECT_NEAR(out.y(0, 0), 10 - 2 / std::sqrt(1.00001), 1e-14);
    EXPECT_NEAR(out.y(0, 1), 20 + 2 / std::sqrt(1.00001), 1e-14);
}

// The known answers of the authors' Random123 library.
TEST(ReferenceLiteral, PhiloxOfTheAuthors) {
    using Counter = std::array<std::uint32_t, 4>;
    EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
              (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(ReferenceLiteral, AttentionIsCausalAndScaled) {
    // D = 4, so scores are halved: query 1 with keys 0 and 1 has scores 0 and ln 3.
    Matrix qkv(2, 12);
    qkv(1, 0) = 2.0 * std::log(3.0);
    qkv(1, 4) = 1.0;
    qkv(0, 8) = 10.0;
    qkv(1, 8) = 20.0;
    const auto out = attention(qkv, {1, 2, 1, 4});
    EXPECT_NEAR(out.y(0, 0), 10.0, 1e-13);
    EXPECT_NEAR(out.y(1, 0), 0.25 * 10 + 0.75 * 20, 1e-13);
    EXPECT_NEAR(out.lse(0, 0), 0.0, 1e-15);
    EXPECT_NEAR(out.lse(0, 1), std::log(4.0), 1e-14);
}

TEST(ReferenceLiteral, HeadLossOfTwoWords) {
    // Student even, teacher 3 : 1 at τ = 2 (z = 2 ln 3): KL = 3/4 ln(3/2) + 1/4 ln(1/2), times τ².
    const Matrix z_s = matrix(2, 2, {7, 7, 0, 0}), z_t = matrix(2, 2, {2 * std::log(3.0), 0, 5, 1});
    const auto out = head_loss(z_s, z_t, {0, -1}, 2.0, 1.0, 0.0, 1.0);
    EXPECT_NEAR(out.kd[0], 4.0 * (0.75 * std::log(1.5) - 0.25 * std::log(2.0)), 1e-14);
    EXPECT_NEAR(out.lm[0], std::log(2.0), 1e-15);
    EXPECT_NEAR(out.d_z(0, 0), 2.0 * (0.5 - 0.75), 1e-14);
    EXPECT_EQ(out.kd[1], 0.0);
    EXPECT_EQ(out.lm[1], 0.0);
    EXPECT_EQ(out.d_z(1, 0), 0.0);
}

TEST(ReferenceLiteral, ArgmaxTakesTheFirstOfEqualOnes) {
    EXPECT_EQ(argmax_rows(matrix(2, 3, {1, 4, 4, -3, -2, -5})), (Ids{1, 1}));
}

TEST(ReferenceLiteral, LabelRanksCountWhatComesBefore) {
    const Matrix z = matrix(4, 3, {1, 4, 4, 1, 4, 4, -3, -2, -5, 0, 0, 0});
    EXPECT_EQ(label_ranks(z, {1, 2, 2, -1}), (Ids{0, 1, 2, -1}));
}

TEST(ReferenceLiteral, CloneAndMomentsSkipPositionZeroOfEachSequence) {
    const Matrix s = matrix(4, 1, {1, 2, 3, 4}), t = matrix(4, 1, {0, 0, 0, 0});
    EXPECT_EQ(clone_loss(s, t, 2, false, 1.0).sum, 30.0);
    EXPECT_EQ(clone_loss(s, t, 2, true, 0.5).sum, 20.0);
    EXPECT_EQ(clone_loss(s, t, 2, true, 0.5).d_s.data, (Vector{0, 1, 0, 2}));
    EXPECT_EQ(tap_moments(s, 2, true).column_sums[0], 6.0);
    EXPECT_EQ(tap_moments(s, 2, true).square_sum, 20.0);
}

TEST(ReferenceLiteral, FirstAdamWStepMovesByTheRateAndDecays) {
    // m/c1 = g and v/c2 = g² in the first step, so the direction is g/(|g| + eps).
    Vector p{1.0}, m{0.0}, v{0.0};
    adamw(p, {8.0}, m, v, {0.1, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 0.25});
    EXPECT_NEAR(p[0], 1.0 - 0.1 * (1.0 + 0.01), 1e-9);
    EXPECT_NEAR(m[0], 0.2, 1e-15);
    EXPECT_NEAR(v[0], 0.004, 1e-15);
}

TEST(ReferenceLiteral, SgdDecaysWithTheOldWeight) {
    Vector p{2.0};
    sgd(p, {4.0}, 0.5, 0.1, 0.25);
    EXPECT_NEAR(p[0], 2.0 - 0.5 * (1.0 + 0.2), 1e-15);
}

TEST(ReferenceLiteral, Bf16RoundsToNearestEven) {
    EXPECT_EQ(round_to_bf16(1.0), 1.0);
    EXPECT_EQ(round_to_bf16(1.0 + 1.0 / 256), 1.0);              // half way: to even
    EXPECT_EQ(round_to_bf16(1.0 + 3.0 / 256), 1.0 + 4.0 / 256);  // half way: to even
    EXPECT_EQ(round_to_bf16(-1.0 - 1.01 / 256), -1.0 - 2.0 / 256);
    EXPECT_EQ(round_to_bf16(3.4e38), INFINITY);  // above half way between 255·2^120 and 2^128
    EXPECT_EQ(round_to_bf16(std::ldexp(1.0, -133)), std::ldexp(1.0, -133));
    EXPECT_EQ(round_to_bf16(std::ldexp(1.0, -134)), 0.0);
}

}  // namespace
}  // namespace lrd::test
