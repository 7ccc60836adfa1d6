// SPDX-License-Identifier: MIT
#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

using reference::absolute;

const std::size_t row_counts[] = {1, 3, 31, 33, 130};
const std::size_t widths[] = {1, 5, 48, 768};

std::string named(const char* what, std::size_t rows, std::size_t cols) {
    return fmt::format("{} {}x{}", what, rows, cols);
}

class PointwiseTest : public BackendTest {};

TEST_P(PointwiseTest, Add) {
    for (const std::size_t rows : row_counts) {
        for (const std::size_t cols : widths) {
            const Matrix y = random(rows, cols), x = with_outliers(random(rows, cols));
            const View at_y = put(y), at_x = put(x);
            backend().add(at_y, at_x);
            expect_close(named("add", rows, cols), Op::elementwise, get(at_y).data,
                         reference::add(y, x).data, plus(absolute(y.data), absolute(x.data)));
            expect_equal("x", get(at_x).data, x.data);
        }
    }
}

TEST_P(PointwiseTest, ColumnSumsAccumulate) {
    for (const std::size_t rows : row_counts) {
        for (const std::size_t cols : widths) {
            const Matrix x = with_outliers(random(rows, cols));
            const Vector before = random_vector(cols);
            const View sums = put(before);
            backend().column_sums(sums, put(x));
            expect_close(named("column_sums", rows, cols), Op::column_sum, get_vector(sums),
                         plus(before, reference::column_sums(x)),
                         plus(absolute(before), reference::column_sums(absolute(x))),
                         static_cast<double>(rows));
        }
    }
}

TEST_P(PointwiseTest, ColumnSumsOfSomeRows) {
    const Matrix x = random(33, 48);
    Matrix part(7, 48);
    std::copy(x.data.begin() + 5 * 48, x.data.begin() + 12 * 48, part.data.begin());
    const View sums = put(Vector(48, 0.0));
    backend().column_sums(sums, put_stored(x).slice(5, 12));
    expect_close("rows 5 to 12", Op::column_sum, get_vector(sums), reference::column_sums(part),
                 reference::column_sums(absolute(part)), 7);
}

/// Rows of random values, then all from −12 to 12: both tails, zero, and what lies between.
Matrix gelu_inputs(Matrix x) {
    for (std::size_t i = x.data.size() / 2; i < x.data.size(); ++i) {
        const double place = static_cast<double>(i - x.data.size() / 2);
        x.data[i] = 24.0 * place / static_cast<double>(x.data.size() - x.data.size() / 2) - 12.0;
    }
    return x;
}

TEST_P(PointwiseTest, Gelu) {
    for (const std::size_t rows : row_counts) {
        for (const std::size_t cols : widths) {
            const Matrix x = rounded(gelu_inputs(random(rows, cols, 2.0)));
            const View y = out_stored(rows, cols);
            backend().gelu(y, put_stored(x));
            expect_close(named("gelu", rows, cols), Op::gelu, get(y).data, reference::gelu(x).data,
                         absolute(x.data));
        }
    }
}

TEST_P(PointwiseTest, GeluOfHugeValuesAndZero) {
    Matrix x(1, 6);
    x.data = {100.0, -100.0, 1e4, -1e4, 0.0, -0.0};
    x = rounded(x);
    const View y = out_stored(1, 6), d_x = out_stored(1, 6), at_x = put_stored(x);
    backend().gelu(y, at_x);
    expect_close("gelu", Op::gelu, get(y).data, reference::gelu(x).data, absolute(x.data));
    const Matrix ones(1, 6, 1.0);
    backend().gelu_backward(d_x, put_stored(ones), at_x);
    expect_close("gelu_backward", Op::gelu, get(d_x).data, reference::gelu_backward(ones, x).data,
                 ones.data);
}

TEST_P(PointwiseTest, GeluBackwardAlsoInPlace) {
    for (const std::size_t rows : row_counts) {
        for (const std::size_t cols : widths) {
            const Matrix x = rounded(gelu_inputs(random(rows, cols, 2.0)));
            const Matrix d_y = random(rows, cols);
            const Vector want = reference::gelu_backward(d_y, x).data;
            const Vector magnitude = scaled(absolute(d_y.data), 2.0);
            const View at_x = put_stored(x), apart = out_stored(rows, cols), same = put_stored(d_y);
            backend().gelu_backward(apart, same, at_x);
            expect_close(named("apart", rows, cols), Op::gelu, get(apart).data, want, magnitude);
            backend().gelu_backward(same, same, at_x);
            expect_close(named("in place", rows, cols), Op::gelu, get(same).data, want, magnitude);
        }
    }
}

TEST_P(PointwiseTest, CastRoundsToNearestEvenAndBack) {
    Vector x = random_vector(4097, 1e3);
    for (int exponent = -140; exponent < 128; exponent += 3) {
        for (const double mantissa : {1.0, 257.0 / 256, 259.0 / 256, -1.2345678, 1.00390637}) {
            x.push_back(static_cast<double>(static_cast<float>(std::ldexp(mantissa, exponent))));
        }
    }
    x.insert(x.end(), {0.0, INFINITY, -INFINITY, static_cast<double>(3.4e38F)});
    Vector want(x);
    for (double& value : want) {
        value = reference::round_to_bf16(value);
    }
    const View wide = put(x);
    const View narrow = put(Matrix(1, x.size(), 1.0), DType::bf16).reshape({wide.size()});
    const View back = out(x.size());
    backend().cast(narrow, wide);
    backend().cast(back, narrow);
    const Vector got = get_vector(narrow), returned = get_vector(back);
    for (std::size_t i = 0; i < want.size(); ++i) {
        EXPECT_EQ(got[i], want[i]) << x[i];
        EXPECT_EQ(returned[i], want[i]) << x[i];
    }
    backend().cast(back, wide);
    EXPECT_EQ(get_vector(back), x);
}

TEST_P(PointwiseTest, CastKeepsNaN) {
    // The payload lies only in the low half: plain truncation would make an infinity of it.
    const std::uint32_t bits[] = {0x7f800001U, 0xffffffffU, 0x7fffffffU};
    const View wide = put(Vector(3, 0.0)), narrow = put(Matrix(1, 3), DType::bf16).reshape({3});
    backend().upload(wide, bits);
    backend().cast(narrow, wide);
    for (const double value : get_vector(narrow)) {
        EXPECT_TRUE(std::isnan(value));
    }
}

TEST_P(PointwiseTest, ZeroAndCopyReachEveryElement) {
    for (const std::size_t n : {1U, 5U, 1027U}) {
        const Vector x = random_vector(n);
        const View from = put(x), to = out(n);
        backend().copy(to, from);
        EXPECT_EQ(get_vector(to), x);
        backend().zero(to);
        EXPECT_EQ(get_vector(to), Vector(n, 0.0));
    }
    const Ids ids = random_ids(9, 1000);
    const View from = put(ids), to = put(Ids(9, -7));
    backend().copy(to, from);
    EXPECT_EQ(get_ids(to), ids);
}

TEST_P(PointwiseTest, ZeroAndCopyStayWithinTheirRows) {
    const View all = put(Matrix(5, 3, 2.0));
    backend().zero(all.slice(1, 2));
    backend().copy(all.slice(3, 4), put(Matrix(1, 3, 4.0)));
    EXPECT_EQ(get(all).data, (Vector{2, 2, 2, 0, 0, 0, 2, 2, 2, 4, 4, 4, 2, 2, 2}));
}

TEST_P(PointwiseTest, UploadedBytesMayChangeAfterwards) {
    std::vector<float> host(1027, 3.0F);
    const View x = out(host.size());
    backend().upload(x, host.data());
    std::fill(host.begin(), host.end(), -1.0F);
    EXPECT_EQ(get_vector(x), Vector(1027, 3.0));
}

TEST_P(PointwiseTest, SumsAccumulate) {
    for (const std::size_t n : {1U, 3U, 31U, 33U, 1003U, 100003U}) {
        const Vector x = random_vector(n, 3.0, 0.5);
        const View total = put(Vector{1.5}), squares = put(Vector{2.5}), at_x = put(x);
        backend().sum(total, at_x);
        backend().sum_squares(squares, at_x);
        expect_close(fmt::format("sum of {}", n), Op::total, get_vector(total),
                     {1.5 + reference::sum(x)}, {1.5 + reference::sum(absolute(x))});
        expect_close(fmt::format("sum_squares of {}", n), Op::total, get_vector(squares),
                     {2.5 + reference::sum_squares(x)}, {2.5 + reference::sum_squares(x)});
    }
}

TEST_P(PointwiseTest, SumsSeeNaNAndInfinityAnywhere) {
    for (const std::size_t place : {0U, 17U, 1002U}) {
        for (const double bad : {std::nan(""), static_cast<double>(INFINITY)}) {
            Vector x = random_vector(1003);
            x[place] = bad;
            const View total = put(Vector{0.0}), squares = put(Vector{0.0}), at_x = put(x);
            backend().sum(total, at_x);
            backend().sum_squares(squares, at_x);
            EXPECT_FALSE(std::isfinite(get_vector(total)[0])) << bad << " at " << place;
            EXPECT_FALSE(std::isfinite(get_vector(squares)[0])) << bad << " at " << place;
            if (std::isnan(bad)) {
                EXPECT_TRUE(std::isnan(get_vector(total)[0]));
                EXPECT_TRUE(std::isnan(get_vector(squares)[0]));
            }
        }
    }
}

LRD_ON_EVERY_BACKEND(PointwiseTest);

}  // namespace
}  // namespace lrd::test
