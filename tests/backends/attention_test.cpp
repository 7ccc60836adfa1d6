// SPDX-License-Identifier: MIT
#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

using reference::absolute;
using reference::Heads;

/// Per element, the sums of absolute values behind y, lse and d_qkv. A score s is known to
/// ulp·size(s), which changes p = exp(s − lse) by that fraction of it: the factor 1 + size.
struct Sizes {
    Matrix y, lse, d_qkv;
};

/// Scaling what is kept by 1/(1 − rate) scales these too; what is dropped only makes them smaller.
Sizes sizes_of(const Matrix& d_y, const Matrix& qkv, Heads s) {
    const auto forward = reference::attention(qkv, s);
    Sizes out{Matrix(forward.y.rows, forward.y.cols), Matrix(forward.lse.rows, s.T),
              Matrix(qkv.rows, qkv.cols)};
    const double scale = 1.0 / std::sqrt(static_cast<double>(s.D));
    for (std::size_t b = 0; b < s.B; ++b) {
        for (std::size_t h = 0; h < s.H; ++h) {
            const std::size_t q0 = h * s.D, k0 = (s.H + h) * s.D, v0 = (2 * s.H + h) * s.D;
            for (std::size_t t = 0; t < s.T; ++t) {
                const std::size_t row = b * s.T + t;
                const double lse = forward.lse(b * s.H + h, t);
                Vector p(t + 1), size_p(t + 1), size_d_p(t + 1);
                double largest = 0.0;
                for (std::size_t j = 0; j <= t; ++j) {
                    const std::size_t other = b * s.T + j;
                    double score = 0.0, size = 0.0;
                    for (std::size_t d = 0; d < s.D; ++d) {
                        const double term = qkv(row, q0 + d) * qkv(other, k0 + d) * scale;
                        score += term;
                        size += std::fabs(term);
                        size_d_p[j] += std::fabs(d_y(row, q0 + d) * qkv(other, v0 + d));
                    }
                    p[j] = std::exp(score - lse);
                    largest = std::max(largest, size);
                }
                const double factor = 1.0 + largest + std::fabs(lse);
                out.lse(b * s.H + h, t) = factor;
                double mean_d_p = 0.0;
                for (std::size_t j = 0; j <= t; ++j) {
                    size_p[j] = p[j] * factor;
                    mean_d_p += p[j] * size_d_p[j];
                }
                for (std::size_t j = 0; j <= t; ++j) {
                    const std::size_t other = b * s.T + j;
                    const double size_score = size_p[j] * (size_d_p[j] + mean_d_p) * scale;
                    for (std::size_t d = 0; d < s.D; ++d) {
                        out.y(row, q0 + d) += size_p[j] * std::fabs(qkv(other, v0 + d));
                        out.d_qkv(other, v0 + d) += size_p[j] * std::fabs(d_y(row, q0 + d));
                        out.d_qkv(row, q0 + d) += size_score * std::fabs(qkv(other, k0 + d));
                        out.d_qkv(other, k0 + d) += size_score * std::fabs(qkv(row, q0 + d));
                    }
                }
            }
        }
    }
    return out;
}

class AttentionTest : public BackendTest {
protected:
    View put_lse(const Matrix& lse, Heads s) {
        return put(lse).reshape({static_cast<std::int64_t>(s.B), static_cast<std::int64_t>(s.H),
                                 static_cast<std::int64_t>(s.T)});
    }

    void check(const Matrix& qkv, Heads s, const reference::Drop& drop = {}) {
        const std::size_t N = s.B * s.T, width = s.H * s.D;
        const AttentionShape shape{static_cast<std::int64_t>(s.B), static_cast<std::int64_t>(s.T),
                                   static_cast<std::int64_t>(s.H), static_cast<std::int64_t>(s.D)};
        const AttentionOptions options{.dropout = {static_cast<float>(drop.rate), drop.key,
                                                   static_cast<std::int64_t>(drop.first_row)}};
        const double kept = 1.0 / (1.0 - drop.rate);
        const Matrix d_y = random(N, width);
        const auto want = reference::attention(qkv, s, drop);
        const Sizes sizes = sizes_of(d_y, qkv, s);
        const double K = static_cast<double>(s.T + s.D);
        const std::string name = fmt::format("B{} T{} H{} D{}", s.B, s.T, s.H, s.D);

        const View at_qkv = put_stored(qkv), y = out_stored(N, width);
        const View lse = put_lse(Matrix(s.B * s.H, s.T, std::nan("")), s);
        backend().attention(y, lse, at_qkv, shape, options);
        expect_close("y " + name, Op::attention, get(y).data, want.y.data,
                     scaled(sizes.y.data, kept), K);
        expect_close("lse " + name, Op::attention, get_vector(lse), want.lse.data, sizes.lse.data,
                     K);

        const View d_qkv = out_stored(N, 3 * width);
        backend().attention_backward(d_qkv, put_stored(d_y), put_stored(want.y),
                                     put_lse(want.lse, s), at_qkv, shape, options);
        expect_close("d_qkv " + name, Op::attention_backward, get(d_qkv).data,
                     reference::attention_backward(d_y, qkv, s, drop).data,
                     scaled(sizes.d_qkv.data, kept), K);
    }
};

TEST_P(AttentionTest, ShortSequences) {
    for (const std::size_t T : {1U, 2U, 31U, 33U}) {
        for (const std::size_t D : {1U, 3U, 16U, 32U, 64U}) {
            for (const std::size_t H : {1U, 2U, 3U}) {
                for (const std::size_t B : {1U, 2U}) {
                    check(random(B * T, 3 * H * D), {B, T, H, D});
                }
            }
        }
    }
}

TEST_P(AttentionTest, LongSequences) {
    for (const std::size_t D : {1U, 3U, 16U, 32U, 64U, 81U}) {
        check(random(129, 3 * D), {1, 129, 1, D});
    }
    check(random(2 * 129, 3 * 3 * 32), {2, 129, 3, 32});
    check(random(2 * 300, 3 * 16), {2, 300, 1, 16});
}

TEST_P(AttentionTest, DropsProbabilitiesBothWays) {
    for (const double rate : {0.1F, 0.5F}) {
        for (const std::size_t T : {1U, 31U, 66U, 129U}) {
            const reference::Drop drop{rate, 0x8badf00ddeadbeefULL, (std::uint64_t{1} << 32) - 40};
            check(random(2 * T, 3 * 3 * 16), {2, T, 3, 16}, drop);
        }
    }
}

TEST_P(AttentionTest, OutliersInQueriesAndValues) {
    const Heads s{1, 33, 2, 16};
    Matrix qkv = random(33, 3 * 2 * 16);
    for (std::size_t i = 0; i < qkv.rows; ++i) {
        for (const std::size_t channel : {5U, 70U, 90U}) {  // one of q, two of v
            qkv(i, channel) *= 100.0;
        }
    }
    check(rounded(qkv), s);
}

TEST_P(AttentionTest, ScoresFarFromZeroDoNotOverflow) {
    // All scores near −2500, then near +2500: exp() of them as they are is 0 or infinite.
    for (const double sign : {-1.0, 1.0}) {
        Matrix qkv = random(31, 3 * 16, 0.01);
        for (std::size_t i = 0; i < qkv.rows; ++i) {
            qkv(i, 0) = 100.0;
            qkv(i, 16) = sign * 100.0;
        }
        check(rounded(qkv), {1, 31, 1, 16});
    }
}

TEST_P(AttentionTest, LaterTokensChangeNothing) {
    const Matrix first = random(33, 3 * 2 * 16);
    Matrix second(first);
    for (std::size_t j = 0; j < second.cols; ++j) {
        second(32, j) = 50.0;
    }
    const View a = out_stored(33, 32), b = out_stored(33, 32);
    const View lse = put_lse(Matrix(2, 33), {1, 33, 2, 16});
    backend().attention(a, lse, put_stored(first), {1, 33, 2, 16});
    backend().attention(b, lse, put_stored(second), {1, 33, 2, 16});
    const Vector before = get_vector(a), after = get_vector(b);
    EXPECT_TRUE(std::equal(before.begin(), before.begin() + 32 * 32, after.begin()));
    EXPECT_FALSE(std::equal(before.begin() + 32 * 32, before.end(), after.begin() + 32 * 32));
}

LRD_ON_EVERY_BACKEND(AttentionTest);

}  // namespace
}  // namespace lrd::test
