// SPDX-License-Identifier: MIT
#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

using reference::absolute;

class EmbeddingTest : public BackendTest {};

TEST_P(EmbeddingTest, EmbedCopiesRows) {
    for (const std::size_t V : {3U, 257U, 1003U}) {
        for (const std::size_t N : {1U, 3U, 31U, 33U, 130U}) {
            for (const std::size_t K : {1U, 5U, 48U, 768U}) {
                const Matrix table = random(V, K);
                Ids ids = random_ids(N, V);
                ids[N - 1] = static_cast<std::int32_t>(V - 1);
                const View x = out(N, K);
                backend().embed(x, put(table), put(ids));
                expect_equal("embed", get(x).data, reference::embed(table, ids).data);
            }
        }
    }
}

TEST_P(EmbeddingTest, EmbedBackwardAddsRepeatedIds) {
    for (const std::size_t V : {3U, 257U, 1003U}) {
        for (const std::size_t N : {1U, 3U, 31U, 33U, 130U}) {
            for (const std::size_t K : {1U, 5U, 48U, 768U}) {
                const Matrix before = random(V, K), d_x = random(N, K);
                const Ids ids = random_ids(N, V);
                const View d_table = put(before);
                backend().embed_backward(d_table, put(d_x), put(ids));
                const Matrix want = reference::embed_backward(d_x, ids, V);
                const Matrix size = reference::embed_backward(absolute(d_x), ids, V);
                expect_close("embed_backward", Op::column_sum, get(d_table).data,
                             plus(want.data, before.data), plus(size.data, absolute(before.data)),
                             static_cast<double>(N));
            }
        }
    }
}

TEST_P(EmbeddingTest, OneIdTakesEveryRow) {
    const Matrix d_x = random(130, 5);
    const View d_table = put(Matrix(3, 5));
    backend().embed_backward(d_table, put(d_x), put(Ids(130, 1)));
    const Matrix want = reference::embed_backward(d_x, Ids(130, 1), 3);
    const Matrix size = reference::embed_backward(absolute(d_x), Ids(130, 1), 3);
    expect_close("embed_backward", Op::column_sum, get(d_table).data, want.data, size.data, 130);
}

TEST_P(EmbeddingTest, PositionsForwardAndBackward) {
    for (const std::size_t B : {1U, 2U, 3U}) {
        for (const std::size_t T : {1U, 2U, 31U, 33U, 129U}) {
            for (const std::size_t C : {1U, 5U, 48U}) {
                const Matrix x = random(B * T, C), positions = random(T, C);
                const View at_x = put(x);
                backend().add_positions(at_x, put(positions));
                const Matrix size = reference::add_positions(absolute(x), absolute(positions));
                expect_close("add_positions", Op::elementwise, get(at_x).data,
                             reference::add_positions(x, positions).data, size.data);

                const View d_positions = put(positions);
                backend().add_positions_backward(d_positions, put(x));
                expect_close(
                    "add_positions_backward", Op::column_sum, get(d_positions).data,
                    reference::add(positions, reference::add_positions_backward(x, T)).data,
                    reference::add(absolute(positions),
                                   reference::add_positions_backward(absolute(x), T))
                        .data,
                    static_cast<double>(B));
            }
        }
    }
}

LRD_ON_EVERY_BACKEND(EmbeddingTest);

}  // namespace
}  // namespace lrd::test
