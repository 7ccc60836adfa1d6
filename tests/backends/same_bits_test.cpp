// SPDX-License-Identifier: MIT
// Same arguments, same bits: every op that sums over rows or threads runs several times on shapes
// that are large enough to be split.
#include <array>
#include <functional>

#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

class SameBitsTest : public BackendTest {
protected:
    /// `op` writes fresh outputs each time and returns them.
    void check(const std::string& what, const std::function<std::vector<View>()>& op) {
        const auto run = [&] {
            std::vector<std::vector<unsigned char>> bytes;
            for (const View& view : op()) {
                bytes.push_back(get_bytes(view));
            }
            return bytes;
        };
        const auto first = run();
        for (int repeat = 0; repeat < 9; ++repeat) {
            EXPECT_TRUE(run() == first) << what;
        }
    }
};

TEST_P(SameBitsTest, Products) {
    const View a = put_stored(random(517, 257)), b = put_stored(random(257, 129));
    const View wide = put_stored(random(517, 129));
    check("matmul", [&] {
        const View c = out(517, 129), d = put(Matrix(257, 129));
        backend().matmul({c, a, b});
        Product weight{d, a.t(), wide};
        weight.accumulate = true;
        backend().matmul(weight);
        return std::vector<View>{c, d};
    });
    check("grouped_matmul", [&] {
        const View c = out(517, 129), d = out(257, 129);
        backend().grouped_matmul(std::array{Product{c, a, b}, Product{d, a.t(), wide}});
        return std::vector<View>{c, d};
    });
}

TEST_P(SameBitsTest, SumsOverRowsAndArrays) {
    const Matrix x = random(1031, 131);
    const View at_x = put(x), t = put(random(1031, 131)), ids = put(random_ids(1031, 7));
    const View flat = at_x.reshape({1031 * 131});
    check("column_sums", [&] {
        const View sums = put(Vector(131, 0.0));
        backend().column_sums(sums, at_x);
        return std::vector<View>{sums};
    });
    check("embed_backward", [&] {
        const View table = put(Matrix(7, 131));
        backend().embed_backward(table, at_x, ids);
        return std::vector<View>{table};
    });
    check("add_positions_backward", [&] {
        const View positions = put(Matrix(1, 131));
        backend().add_positions_backward(positions, at_x);
        return std::vector<View>{positions};
    });
    check("sum, sum_squares", [&] {
        const View total = put(Vector{0.0}), squares = put(Vector{0.0});
        backend().sum(total, flat);
        backend().sum_squares(squares, flat);
        return std::vector<View>{total, squares};
    });
    check("clone_loss, tap_moments", [&] {
        const View total = put(Vector{0.0}), squares = put(Vector{0.0});
        const View sums = put(Vector(131, 0.0)), d_s = put(Matrix(1031, 131));
        CloneLoss args{total, d_s, at_x, t, 1031};
        args.scale = 0.3F;
        backend().clone_loss(args);
        backend().tap_moments(sums, squares, at_x, 1031, true);
        return std::vector<View>{total, d_s, sums, squares};
    });
}

TEST_P(SameBitsTest, LayerNormBothWays) {
    const View x = put(random(517, 131)), d_y = put_stored(random(517, 131));
    const View gamma = put(random_vector(131)), beta = put(random_vector(131));
    check("layernorm", [&] {
        LayerNorm args{out_stored(517, 131), {}, out(517), out(517), x, {}, gamma, beta};
        backend().layernorm(args);
        LayerNormBackward back{put(Matrix(517, 131)),
                               put(Vector(131, 0.0)),
                               put(Vector(131, 0.0)),
                               d_y,
                               x,
                               args.mean,
                               args.rstd,
                               gamma};
        backend().layernorm_backward(back);
        return std::vector<View>{args.y, args.mean, args.rstd, back.d_h, back.d_gamma, back.d_beta};
    });
}

TEST_P(SameBitsTest, AttentionBothWays) {
    const View qkv = put_stored(random(2 * 257, 3 * 3 * 16)), d_y = put_stored(random(2 * 257, 48));
    check("attention", [&] {
        const View y = out_stored(2 * 257, 48), d_qkv = out_stored(2 * 257, 3 * 48);
        const View lse = out(2 * 3 * 257).reshape({2, 3, 257});
        backend().attention(y, lse, qkv, {2, 257, 3, 16});
        backend().attention_backward(d_qkv, d_y, y, lse, qkv, {2, 257, 3, 16});
        return std::vector<View>{y, lse, d_qkv};
    });
}

TEST_P(SameBitsTest, HeadLoss) {
    const Matrix z_s = random(65, 1003), z_t = random(65, 1003);
    const View teacher = put(z_t), labels = put(random_ids(65, 1003));
    check("head_loss", [&] {
        HeadLoss args{put(z_s), teacher, labels, out(65), out(65), 2.0F, 1.0F, 0.5F, 0.25F};
        backend().head_loss(args);
        return std::vector<View>{args.z_s, args.kd, args.lm};
    });
}

TEST_P(SameBitsTest, Dropout) {
    const View x = put(random(517, 131));
    check("dropout", [&] {
        const View y = out(517, 131);
        backend().dropout(y, x, {0.3F, 5, 9});
        return std::vector<View>{y};
    });
}

LRD_ON_EVERY_BACKEND(SameBitsTest);

}  // namespace
}  // namespace lrd::test
