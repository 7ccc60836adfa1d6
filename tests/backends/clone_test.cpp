// SPDX-License-Identifier: MIT
#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

using reference::absolute;

class CloneTest : public BackendTest {};

TEST_P(CloneTest, LossAndGradientAccumulate) {
    for (const std::size_t B : {1U, 2U}) {
        for (const std::size_t T : {1U, 2U, 31U, 33U, 129U}) {
            for (const std::size_t C : {1U, 5U, 48U, 768U}) {
                for (const bool skip_first : {false, true}) {
                    const std::size_t N = B * T;
                    const Matrix s = with_outliers(random(N, C)), t = with_outliers(random(N, C));
                    const Matrix before = random(N, C);
                    const auto want = reference::clone_loss(s, t, T, skip_first, 0.375);
                    CloneLoss args;
                    args.sum = put(Vector{0.5});
                    args.d_s = put(before);
                    args.s = put(s);
                    args.t = put(t);
                    args.T = static_cast<std::int64_t>(T);
                    args.skip_first = skip_first;
                    args.scale = 0.375F;
                    backend().clone_loss(args);
                    const std::string name =
                        fmt::format("B{} T{} C{}{}", B, T, C, skip_first ? " skip" : "");
                    expect_close("sum " + name, Op::total, get_vector(args.sum), {0.5 + want.sum},
                                 {0.5 + want.sum});
                    expect_close("d_s " + name, Op::elementwise, get(args.d_s).data,
                                 plus(before.data, want.d_s.data),
                                 plus(absolute(before.data), absolute(want.d_s.data)));
                }
            }
        }
    }
}

TEST_P(CloneTest, ValueOnlyWithoutGradient) {
    const Matrix s = random(6, 48), t = random(6, 48);
    CloneLoss args;
    args.sum = put(Vector{0.0});
    args.s = put(s);
    args.t = put(t);
    args.T = 3;
    args.skip_first = true;
    backend().clone_loss(args);
    const double want = reference::clone_loss(s, t, 3, true, 0.0).sum;
    expect_close("sum", Op::total, get_vector(args.sum), {want}, {want});
}

TEST_P(CloneTest, EqualTensorsGiveExactlyNothing) {
    const Matrix s = with_outliers(random(33, 48));
    CloneLoss args;
    args.sum = put(Vector{0.0});
    args.d_s = put(Matrix(33, 48, 0.0));
    args.s = put(s);
    args.t = put(s);
    args.T = 33;
    args.scale = 3.0F;
    backend().clone_loss(args);
    EXPECT_EQ(get_vector(args.sum)[0], 0.0);
    EXPECT_EQ(get(args.d_s).data, Vector(33 * 48, 0.0));
}

TEST_P(CloneTest, NaNReachesTheSum) {
    Matrix s = random(33, 5);
    s(32, 4) = std::nan("");
    CloneLoss args;
    args.sum = put(Vector{0.0});
    args.s = put(s);
    args.t = put(random(33, 5));
    args.T = 33;
    backend().clone_loss(args);
    EXPECT_TRUE(std::isnan(get_vector(args.sum)[0]));
}

TEST_P(CloneTest, MomentsOfTheSameRows) {
    for (const std::size_t T : {1U, 2U, 31U, 33U, 129U}) {
        for (const std::size_t C : {1U, 5U, 48U, 768U}) {
            for (const bool skip_first : {false, true}) {
                const Matrix x = with_outliers(random(2 * T, C));
                const Vector before = random_vector(C);
                const View sums = put(before), squares = put(Vector{0.25});
                backend().tap_moments(sums, squares, put(x), static_cast<std::int64_t>(T),
                                      skip_first);
                const auto want = reference::tap_moments(x, T, skip_first);
                expect_close("columns", Op::column_sum, get_vector(sums),
                             plus(before, want.column_sums),
                             plus(absolute(before),
                                  reference::tap_moments(absolute(x), T, skip_first).column_sums),
                             static_cast<double>(2 * T));
                expect_close("squares", Op::total, get_vector(squares), {0.25 + want.square_sum},
                             {0.25 + want.square_sum});
            }
        }
    }
}

LRD_ON_EVERY_BACKEND(CloneTest);

}  // namespace
}  // namespace lrd::test
