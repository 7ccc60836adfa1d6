// SPDX-License-Identifier: MIT
// Products of packed pairs against sums in fp64, for every way of packing.
#include "kernels/cpu/pair_product.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "backends/tolerance.hpp"
#include "core/random.hpp"
#include "kernels/cpu/cpu_backend.hpp"

namespace lrd::test {
namespace {

/// Rows `ld` apart, NaN between them; in fp32 what is a bf16 too.
struct Matrix {
    std::int64_t rows, columns, ld;
    std::vector<Bf16> narrow;
    std::vector<float> wide;

    Matrix(std::int64_t m, std::int64_t n, std::string_view stream)
        : rows(m), columns(n), ld(padded(n, 32) + 32) {
        wide.resize(static_cast<std::size_t>(m * ld));
        Random(1, stream).normal(wide, 0.0, 1.0);
        for (std::int64_t i = 0; i < m * ld; ++i) {
            float& x = wide[static_cast<std::size_t>(i)];
            x = i % ld < n ? x : std::numeric_limits<float>::quiet_NaN();
            narrow.push_back(rounded(x));
            x = value_of(narrow.back());
        }
    }
    double at(std::int64_t i, std::int64_t j) const {
        return static_cast<double>(wide[static_cast<std::size_t>(i * ld + j)]);
    }
};

class PairProductTest : public testing::Test {
protected:
    void SetUp() override {
        if (!CpuBackend::has_bf16()) {
            GTEST_SKIP() << "this processor has no products of bf16";
        }
    }

    /// c = Σ_k a(i, k)·b(k, j), twice, the second time added.
    template <class A, class B>
    void check(std::int64_t M, std::int64_t N, std::int64_t K, std::int64_t pairs, LeftPairs left,
               RightPairs right, A&& a, B&& b) {
        const std::int64_t ld = padded(N, lanes) + lanes;
        std::vector<float> c(static_cast<std::size_t>(padded(M, tile_rows) * ld), NAN);
        multiply_pairs(M, N, pairs, c.data(), ld, left, right);
        multiply_pairs(M, N, pairs, c.data(), ld, left, right, true);
        for (std::int64_t i = 0; i < M; ++i) {
            for (std::int64_t j = 0; j < N; ++j) {
                double sum = 0.0, size = 0.0;
                for (std::int64_t k = 0; k < K; ++k) {
                    sum += 2.0 * a(i, k) * b(k, j);
                    size += 2.0 * std::fabs(a(i, k) * b(k, j));
                }
                ASSERT_NEAR(
                    static_cast<double>(c[static_cast<std::size_t>(i * ld + j)]), sum,
                    bound(Op::product, Precision::fp32, 2.0 * static_cast<double>(K), size, sum))
                    << fmt::format("{} × {} × {} at ({}, {})", M, N, K, i, j);
            }
        }
    }

    template <class Body>
    static void for_sizes(Body&& body) {
        for (const std::int64_t M : {1, 4, 7, 40}) {
            for (const std::int64_t N : {1, 16, 33, 64, 130}) {
                for (const std::int64_t K : {1, 2, 31, 32, 33, 96}) {
                    body(M, N, K);
                }
            }
        }
    }
    /// Room of a factor of n rows and m columns or the other way round.
    static std::vector<Pair> room(std::int64_t n, std::int64_t m) {
        return std::vector<Pair>(static_cast<std::size_t>(padded(n, panel) * padded(m, panel)));
    }
};

TEST_F(PairProductTest, RowsAgainstRows) {
    for_sizes([&](std::int64_t M, std::int64_t N, std::int64_t K) {
        const Matrix x(M, K, "x"), y(N, K, "y");
        std::vector<Pair> left = room(M, K), right = room(N, K);
        check(
            M, N, K, (K + 1) / 2, pack_left(left.data(), x.narrow.data(), x.ld, M, K),
            pack_transposed(right.data(), y.narrow.data(), y.ld, N, K),
            [&](auto i, auto k) { return x.at(i, k); }, [&](auto k, auto j) { return y.at(j, k); });
    });
}

TEST_F(PairProductTest, RoundedRowsAgainstColumns) {
    for_sizes([&](std::int64_t M, std::int64_t N, std::int64_t K) {
        const Matrix y(K, N, "y");
        Matrix x(M, K, "x");
        const std::int64_t pairs = padded(K, 2 * apart) / 2;
        std::vector<Pair> left = room(M, K), right = room(K, N);
        for (std::int64_t i = 0; i < M; ++i) {
            float* row = x.wide.data() + i * x.ld;
            std::fill(row + K, row + 2 * pairs, 0.0F);
            pair_row(left.data() + i * pairs, row, 2 * pairs);
        }
        check(
            M, N, K, pairs, {left.data(), pairs, 1},
            pack_rows(right.data(), y.narrow.data(), y.ld, K, N),
            [&](auto i, auto k) { return x.at(i, k); }, [&](auto k, auto j) { return y.at(k, j); });
    });
}

TEST_F(PairProductTest, RoundedColumnsAgainstColumns) {
    for_sizes([&](std::int64_t M, std::int64_t N, std::int64_t K) {
        const Matrix x(K, M, "x"), y(K, N, "y");
        const std::int64_t pairs = padded(K, 2 * apart) / 2;
        const std::vector<float> zeros(static_cast<std::size_t>(M));
        std::vector<Pair> left = room(K, M), right = room(K, N);
        const auto row = [&](std::int64_t k) {
            return k < K ? x.wide.data() + k * x.ld : zeros.data();
        };
        for (std::int64_t p = 0; p < pairs; ++p) {
            const std::int64_t k = p / apart * 2 * apart + p % apart;
            pair_rows(left.data() + p * M, row(k), row(k + apart), M);
        }
        check(
            M, N, K, pairs, {left.data(), 1, M},
            pack_rows(right.data(), y.narrow.data(), y.ld, K, N),
            [&](auto i, auto k) { return x.at(k, i); }, [&](auto k, auto j) { return y.at(k, j); });
    });
}

TEST_F(PairProductTest, RoundsToTheNearestAndKeepsNaN) {
    std::vector<float> row(2 * apart, 1.0F);
    row[0] = 1.0F + 0x0.ffp-8F;  // below the middle of 1 and 1 + 2^−7
    row[1] = 1.0F + 0x1.01p-8F;  // above it
    row[2] = std::numeric_limits<float>::infinity();
    row[3] = std::numeric_limits<float>::quiet_NaN();
    row[apart] = -(1.0F + 0x1.01p-8F);
    std::vector<Pair> pairs(apart);
    pair_row(pairs.data(), row.data(), 2 * apart);
    EXPECT_EQ(pairs[0], 0xBF813F80U);
    EXPECT_EQ(pairs[1], 0x3F803F81U);
    EXPECT_EQ(pairs[2], 0x3F807F80U);
    EXPECT_EQ(pairs[3], 0x3F807FC0U);
}

}  // namespace
}  // namespace lrd::test
