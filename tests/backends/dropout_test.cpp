// SPDX-License-Identifier: MIT
#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

class DropoutTest : public BackendTest {
protected:
    Matrix dropped(const Matrix& x, const Dropout& dropout) {
        const View y = out(x.rows, x.cols);
        backend().dropout(y, put(x), dropout);
        return get(y);
    }
};

reference::Drop to_reference(const Dropout& d) {
    return {d.rate, d.key, static_cast<std::uint64_t>(d.first_row)};
}

TEST_P(DropoutTest, KeepsWhatTheDefinitionSays) {
    for (const float rate : {0.0F, 0.1F, 0.5F, 0.99F}) {
        for (const std::int64_t first_row : {std::int64_t{0}, (std::int64_t{1} << 32) - 3}) {
            for (const std::size_t C : {1U, 3U, 4U, 5U, 48U, 131U}) {
                const Dropout dropout{rate, 0x0123456789abcdefULL, first_row};
                const Matrix x = random(7, C);
                const Matrix want = reference::dropout(x, to_reference(dropout));
                expect_close(fmt::format("rate {} C{}", rate, C), Op::elementwise,
                             dropped(x, dropout).data, want.data, reference::absolute(want.data));
            }
        }
    }
}

TEST_P(DropoutTest, InPlaceAndInPiecesIsTheSame) {
    const Matrix x = random(300, 131);
    const Dropout whole{0.3F, 77, 1000};
    const Matrix want = dropped(x, whole);
    const View y = put(x);
    for (const auto& [begin, end] : {std::pair{0, 1}, {1, 200}, {200, 300}}) {
        Dropout part = whole;
        part.first_row += begin;
        backend().dropout(y.slice(begin, end), y.slice(begin, end), part);
    }
    expect_equal("pieces", get(y).data, want.data);
}

// The share that is kept, of all elements and of each column, and no tie between neighbours: within
// five standard deviations of independent draws.
TEST_P(DropoutTest, LooksLikeIndependentDraws) {
    const std::size_t N = 2000, C = 97;
    for (const float rate : {0.1F, 0.5F}) {
        const Matrix kept = dropped(Matrix(N, C, 1.0 - rate), {rate, 11, 0});  // 0 or 1
        const double p = 1.0 - rate, variance = p * (1.0 - p);
        const auto expect_share = [&](const std::string& what, double sum, double mean, double var,
                                      std::size_t n) {
            const auto count = static_cast<double>(n);
            EXPECT_NEAR(sum / count, mean, 5.0 * std::sqrt(var / count)) << what;
        };
        double all = 0.0, right = 0.0, below = 0.0;
        for (std::size_t j = 0; j < C; ++j) {
            double column = 0.0;
            for (std::size_t i = 0; i < N; ++i) {
                column += std::round(kept(i, j));
                const double here = std::round(kept(i, j)) - p;
                right += j + 1 < C ? here * (std::round(kept(i, j + 1)) - p) : 0.0;
                below += i + 1 < N ? here * (std::round(kept(i + 1, j)) - p) : 0.0;
            }
            expect_share(fmt::format("column {}", j), column, p, variance, N);
            all += column;
        }
        expect_share("all", all, p, variance, N * C);
        expect_share("to the right", right, 0.0, variance * variance, N * (C - 1));
        expect_share("below", below, 0.0, variance * variance, (N - 1) * C);
        const Matrix other = dropped(Matrix(N, C, 1.0 - rate), {rate, 12, 0});
        double both = 0.0;
        for (std::size_t i = 0; i < other.data.size(); ++i) {
            both += (std::round(kept.data[i]) - p) * (std::round(other.data[i]) - p);
        }
        expect_share("another key", both, 0.0, variance * variance, N * C);
    }
}

LRD_ON_EVERY_BACKEND(DropoutTest);

}  // namespace
}  // namespace lrd::test
