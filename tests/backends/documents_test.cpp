// SPDX-License-Identifier: MIT
// Ops with `starts`: on documents packed into sequences they do what they do on each alone.
#include <numeric>

#include "backends/backend_test.hpp"
#include "expect_error.hpp"

namespace lrd::test {
namespace {

// Two sequences of 133 tokens; blocks of attention begin inside documents and at their ends.
const std::vector<std::vector<std::int64_t>> packing = {{1, 63, 2, 64, 3}, {100, 33}};
constexpr std::int64_t T = 133, N = 2 * T;

class DocumentsTest : public BackendTest {
protected:
    /// (N), and body(first row, end row) for every document.
    static Ids starts() {
        Ids all;
        each([&](std::int64_t first, std::int64_t end) {
            all.resize(static_cast<std::size_t>(end), static_cast<std::int32_t>(first % T));
        });
        return all;
    }
    template <class Body>
    static void each(Body&& body) {
        std::int64_t row = 0;
        for (const auto& lengths : packing) {
            for (const std::int64_t length : lengths) {
                body(row, row + length);
                row += length;
            }
        }
    }
};

TEST_P(DocumentsTest, Attention) {
    const std::int64_t H = 3, D = 16;
    const AttentionShape shape{2, T, H, D};
    const View qkv = put_stored(random(N, 3 * 48)), d_y = put_stored(random(N, 48));
    const View at = put(starts());
    const auto run = [&](const View& y, const View& d_qkv, const View& in, const View& slope,
                         AttentionShape s, const View& begins) {
        const View lse =
            put(Vector(static_cast<std::size_t>(s.B * s.H * s.T))).reshape({s.B, H, s.T});
        backend().attention(y, lse, in, s, {.starts = begins});
        backend().attention_backward(d_qkv, slope, y, lse, in, s, {.starts = begins});
    };
    const View y = out_stored(N, 48), d_qkv = out_stored(N, 144);
    run(y, d_qkv, qkv, d_y, shape, at);
    const View want_y = out_stored(N, 48), want_d = out_stored(N, 144);
    each([&](std::int64_t first, std::int64_t end) {
        run(want_y.slice(first, end), want_d.slice(first, end), qkv.slice(first, end),
            d_y.slice(first, end), {1, end - first, H, D}, {});
    });
    const double K = static_cast<double>(T + D);
    expect_close("y", Op::attention, get_vector(y), get_vector(want_y), Vector(N * 48, 4.0), K);
    expect_close("d_qkv", Op::attention_backward, get_vector(d_qkv), get_vector(want_d),
                 Vector(N * 144, 16.0), K);
    run(y, d_qkv, qkv, d_y, shape, {});
    double largest = 0.0;
    const Vector open = get_vector(y), masked = get_vector(want_y);
    for (std::size_t i = 0; i < open.size(); ++i) {
        largest = std::max(largest, std::fabs(open[i] - masked[i]));
    }
    EXPECT_GT(largest, 0.1);
}

TEST_P(DocumentsTest, OneDocumentASequenceIsNoMask) {
    const View qkv = put_stored(random(N, 48)), d_y = put_stored(random(N, 16));
    const View lse = put(Vector(N)).reshape({2, 1, T});
    const auto run = [&](const View& begins) {
        const View y = out_stored(N, 16), d_qkv = out_stored(N, 48);
        backend().attention(y, lse, qkv, {2, T, 1, 16}, {.starts = begins});
        backend().attention_backward(d_qkv, d_y, y, lse, qkv, {2, T, 1, 16}, {.starts = begins});
        return std::pair{get_bytes(y), get_bytes(d_qkv)};
    };
    EXPECT_TRUE(run(put(Ids(N, 0))) == run({}));
}

TEST_P(DocumentsTest, PositionsBeginAnew) {
    const View x = put(random(N, 5)), want = put(Matrix(N, 5)), table = put(random(T, 5));
    const View at = put(starts()), d_table = put(Matrix(T, 5)), d_want = put(Matrix(T, 5));
    backend().copy(want, x);
    backend().add_positions_backward(d_table, x, at);
    each([&](std::int64_t first, std::int64_t end) {
        backend().add_positions(want.slice(first, end), table.slice(0, end - first));
        backend().add_positions_backward(d_want.slice(0, end - first), x.slice(first, end));
    });
    backend().add_positions(x, table, at);
    expect_equal("x", get_vector(x), get_vector(want));
    expect_equal("d_positions", get_vector(d_table), get_vector(d_want));
}

TEST_P(DocumentsTest, CloneAndMomentsLeaveOutEveryFirstRow) {
    const Matrix s = random(N, 5), t = random(N, 5);
    const View at_s = put(s), at_t = put(t), at = put(starts());
    const View d_s = put(Matrix(N, 5)), d_want = put(Matrix(N, 5));
    const View sum = put(Vector{0.0}), sum_want = put(Vector{0.0});
    const View columns = put(Vector(5, 0.0)), columns_want = put(Vector(5, 0.0));
    const View squares = put(Vector{0.0}), squares_want = put(Vector{0.0});
    const auto clone = [&](const View& total, const View& slope, std::int64_t first,
                           std::int64_t end, std::int64_t length, const View& begins) {
        backend().clone_loss({.sum = total,
                              .d_s = slope.slice(first, end),
                              .s = at_s.slice(first, end),
                              .t = at_t.slice(first, end),
                              .T = length,
                              .skip_first = true,
                              .scale = 0.3F,
                              .starts = begins});
    };
    clone(sum, d_s, 0, N, T, at);
    backend().tap_moments(columns, squares, at_s, T, true, at);
    each([&](std::int64_t first, std::int64_t end) {
        clone(sum_want, d_want, first, end, end - first, {});
        backend().tap_moments(columns_want, squares_want, at_s.slice(first, end), end - first,
                              true);
    });
    const Vector total = get_vector(sum_want);
    expect_close("sum", Op::total, get_vector(sum), total, total);
    expect_equal("d_s", get_vector(d_s), get_vector(d_want));
    expect_close("columns", Op::column_sum, get_vector(columns), get_vector(columns_want),
                 Vector(5, 100.0));
    const Vector square = get_vector(squares_want);
    expect_close("squares", Op::total, get_vector(squares), square, square);
}

TEST_P(DocumentsTest, WrongStartsAreRefused) {
    const View x = put(Matrix(6, 4)), table = put(Matrix(3, 4));
    const auto refused = [&](const View& begins) {
        EXPECT_ERROR(ExitCode::internal, "starts", backend().add_positions(x, table, begins));
    };
    refused(put(Ids(5, 0)));
    refused(put(Vector(6, 0.0)));
    if (backend().name() == std::string("cpu")) {  // where values are looked at
        refused(put(Ids{0, 0, 3, 0, 0, 0}));
        refused(put(Ids{0, 0, 0, 1, 0, 0}));
        refused(put(Ids{0, 0, -1, 0, 0, 0}));
    }
}

LRD_ON_EVERY_BACKEND(DocumentsTest);

}  // namespace
}  // namespace lrd::test
