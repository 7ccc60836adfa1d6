// SPDX-License-Identifier: MIT
// What Backend promises whatever the op: bad arguments are refused before anything is touched, and
// the same call gives the same bits.
#include <algorithm>
#include <array>
#include <functional>

#include "backends/backend_test.hpp"
#include "expect_error.hpp"

namespace lrd::test {
namespace {

class ContractTest : public BackendTest {
protected:
    View f32(std::size_t rows, std::size_t cols) { return put(Matrix(rows, cols, 1.0)); }
    View f32(std::size_t n) { return put(Vector(n, 1.0)); }
    View i32(std::size_t n) { return put(Ids(n, 0)); }
    View i32(std::size_t rows, std::size_t cols) {
        return i32(rows * cols)
            .reshape({static_cast<std::int64_t>(rows), static_cast<std::int64_t>(cols)});
    }
};

// A wrong shape is a bug of the caller, hence exit code 70.
#define EXPECT_REFUSED(op, ...) EXPECT_ERROR(ExitCode::internal, op, __VA_ARGS__)

TEST_P(ContractTest, ProductsOfWrongShapes) {
    Backend& b = backend();
    EXPECT_REFUSED("matmul", b.matmul({f32(2, 4), f32(2, 3), f32(5, 4)}));
    EXPECT_REFUSED("matmul", b.matmul({f32(2, 5), f32(2, 3), f32(3, 4)}));
    EXPECT_REFUSED("matmul", b.matmul({f32(3, 4), f32(2, 3), f32(3, 4)}));
    EXPECT_REFUSED("matmul", b.matmul({f32(2, 4), f32(2, 3), f32(3, 4), f32(3)}));
    EXPECT_REFUSED("matmul", b.matmul({f32(8), f32(2, 3), f32(3, 4)}));
    EXPECT_REFUSED("matmul", b.matmul({f32(2, 4), f32(2, 3), f32(3, 4), f32(4), true}));
    EXPECT_REFUSED("matmul", b.matmul({View(), f32(2, 3), f32(3, 4)}));
    EXPECT_REFUSED("matmul", b.matmul({f32(2, 4), f32(2, 3), f32(3, 4), {}, false, f32(12)}));
    EXPECT_REFUSED("pack", b.pack(f32(12), f32(3, 4)));
    EXPECT_REFUSED("matmul", b.matmul({f32(2, 4), i32(6).reshape({2, 3}), f32(3, 4)}));
    const Product good{f32(2, 4), f32(2, 3), f32(3, 4)}, bad{f32(2, 4), f32(2, 3), f32(4, 4)};
    EXPECT_REFUSED("matmul", b.grouped_matmul(std::array{good, bad}));
}

TEST_P(ContractTest, PointwiseOpsOfWrongShapes) {
    Backend& b = backend();
    EXPECT_REFUSED("add", b.add(f32(2, 3), f32(2, 4)));
    EXPECT_REFUSED("add", b.add(f32(2, 3), f32(2, 5).columns(0, 3)));
    EXPECT_REFUSED("add", b.add(f32(2, 3), i32(6).reshape({2, 3})));
    EXPECT_REFUSED("column_sums", b.column_sums(f32(4), f32(2, 3)));
    EXPECT_REFUSED("column_sums", b.column_sums(f32(2), f32(2, 3).columns(0, 2)));
    EXPECT_REFUSED("gelu", b.gelu(f32(2, 3), f32(3, 3)));
    EXPECT_REFUSED("gelu_backward", b.gelu_backward(f32(2, 3), f32(2, 3), f32(2, 4)));
    EXPECT_REFUSED("gelu_backward", b.gelu_backward(f32(2, 3), f32(2, 4), f32(2, 3)));
    EXPECT_REFUSED("dropout", b.dropout(f32(2, 3), f32(2, 4), {0.5F}));
    EXPECT_REFUSED("dropout", b.dropout(f32(6), f32(6), {0.5F}));
    EXPECT_REFUSED("dropout", b.dropout(f32(2, 3), f32(2, 3), {1.0F}));
    EXPECT_REFUSED("dropout", b.dropout(f32(2, 3), f32(2, 3), {-0.1F}));
    EXPECT_REFUSED("dropout", b.dropout(f32(2, 3), f32(2, 3), {0.5F, 1, -1}));
    EXPECT_REFUSED("copy", b.copy(f32(3), f32(4)));
    EXPECT_REFUSED("copy", b.copy(f32(3), i32(3)));
    EXPECT_REFUSED("cast", b.cast(f32(3), f32(4)));
    EXPECT_REFUSED("cast", b.cast(f32(3), i32(3)));
    EXPECT_REFUSED("zero", b.zero(f32(2, 3).columns(0, 2)));
    float host[6];
    EXPECT_REFUSED("upload", b.upload(f32(2, 3).columns(0, 2), host));
    EXPECT_REFUSED("download", b.download(host, f32(2, 3).columns(0, 2)));
}

TEST_P(ContractTest, EmbeddingOfWrongShapes) {
    Backend& b = backend();
    EXPECT_REFUSED("embed", b.embed(f32(2, 5), f32(7, 4), i32(2)));
    EXPECT_REFUSED("embed", b.embed(f32(2, 4), f32(7, 4), i32(3)));
    EXPECT_REFUSED("embed", b.embed(f32(2, 4), f32(7, 4), f32(2)));
    EXPECT_REFUSED("embed", b.embed_backward(f32(7, 4), f32(2, 5), i32(2)));
    EXPECT_REFUSED("positions", b.add_positions(f32(7, 4), f32(3, 4)));
    EXPECT_REFUSED("positions", b.add_positions(f32(6, 4), f32(3, 5)));
    EXPECT_REFUSED("positions", b.add_positions_backward(f32(3, 5), f32(6, 4)));
}

TEST_P(ContractTest, TransformerOpsOfWrongShapes) {
    Backend& b = backend();
    LayerNorm norm{f32(2, 4), f32(2, 4), f32(2), f32(2), f32(2, 4), {}, f32(4), f32(4)};
    const auto refuses = [&](const std::function<void(LayerNorm&)>& spoil) {
        LayerNorm bad = norm;
        spoil(bad);
        EXPECT_REFUSED("layernorm", b.layernorm(bad));
    };
    refuses([&](LayerNorm& n) { n.y = f32(2, 5); });
    refuses([&](LayerNorm& n) { n.mean = f32(3); });
    refuses([&](LayerNorm& n) { n.rstd = View(); });
    refuses([&](LayerNorm& n) { n.gamma = f32(5); });
    refuses([&](LayerNorm& n) { n.beta = i32(4); });
    refuses([&](LayerNorm& n) { n.residual = f32(3, 4); });
    refuses([&](LayerNorm& n) { n.residual = f32(2, 4), n.h = View(); });
    EXPECT_REFUSED("layernorm", b.layernorm_backward({f32(2, 4), f32(4), f32(4), f32(2, 5),
                                                      f32(2, 4), f32(2), f32(2), f32(4)}));
    EXPECT_REFUSED("layernorm", b.layernorm_backward({f32(2, 4), f32(4), f32(3), f32(2, 4),
                                                      f32(2, 4), f32(2), f32(2), f32(4)}));
    const View lse = f32(12).reshape({2, 2, 3});
    EXPECT_REFUSED("attention", b.attention(f32(6, 8), lse, f32(6, 20), {2, 3, 2, 4}));
    EXPECT_REFUSED("attention", b.attention(f32(6, 6), lse, f32(6, 24), {2, 3, 2, 4}));
    EXPECT_REFUSED("attention", b.attention(f32(6, 8), f32(12), f32(6, 24), {2, 3, 2, 4}));
    EXPECT_REFUSED("attention", b.attention(f32(6, 8), lse, f32(6, 24), {2, 3, 2, 4},
                                            {.dropout = {.rate = 1.5F}}));
    EXPECT_REFUSED("attention", b.attention_backward(f32(6, 24), f32(6, 8), f32(6, 8), lse,
                                                     f32(5, 24), {2, 3, 2, 4}));
    EXPECT_REFUSED("attention", b.attention_backward(f32(6, 8), f32(6, 8), f32(6, 8), lse,
                                                     f32(6, 24), {2, 3, 2, 4}));
}

TEST_P(ContractTest, DecodingOfWrongShapes) {
    Backend& b = backend();
    const auto cache = [&](std::int64_t B, std::int64_t room, std::int64_t width) {
        return f32(static_cast<std::size_t>(B * room * width)).reshape({B, room, width});
    };
    const View k = cache(2, 5, 8), v = cache(2, 5, 8);
    EXPECT_REFUSED("store_kv", b.store_kv(k, cache(2, 4, 8), f32(6, 24), {2, 3, 2, 4}));
    EXPECT_REFUSED("store_kv", b.store_kv(f32(10, 8), v, f32(6, 24), {2, 3, 2, 4}));
    EXPECT_REFUSED("store_kv", b.store_kv(k, v, f32(6, 20), {2, 3, 2, 4}));
    EXPECT_REFUSED("store_kv", b.store_kv(k, v, f32(9, 24), {3, 3, 2, 4}));
    EXPECT_REFUSED("store_kv", b.store_kv(k, v, f32(12, 24), {2, 6, 2, 4}));
    const View y = f32(2, 8), qkv = f32(2, 24), lengths = i32(2);
    EXPECT_REFUSED("decode", b.attention_decode(y, k, v, qkv, lengths, 3));
    EXPECT_REFUSED("decode", b.attention_decode(f32(2, 6), k, v, qkv, lengths, 2));
    EXPECT_REFUSED("decode", b.attention_decode(y, cache(3, 5, 8), v, qkv, lengths, 2));
    EXPECT_REFUSED("decode", b.attention_decode(y, k, cache(2, 4, 8), qkv, lengths, 2));
    EXPECT_REFUSED("decode", b.attention_decode(y, k, v, f32(2, 20), lengths, 2));
    EXPECT_REFUSED("decode", b.attention_decode(y, k, v, qkv, i32(3), 2));
    EXPECT_REFUSED("decode", b.attention_decode(y, k, v, qkv, f32(2), 2));
    EXPECT_REFUSED("lengths[1] = 5", b.attention_decode(y, k, v, qkv, put(Ids{4, 5}), 2));
    EXPECT_REFUSED("lengths[0] = -1", b.attention_decode(y, k, v, qkv, put(Ids{-1, 0}), 2));
}

TEST_P(ContractTest, LossesOfWrongShapes) {
    Backend& b = backend();
    const HeadLoss good{f32(2, 5), f32(2, 5), i32(2), f32(2), f32(2)};
    const auto refuses = [&](const std::function<void(HeadLoss&)>& spoil) {
        HeadLoss bad = good;
        spoil(bad);
        EXPECT_REFUSED("head_loss", b.head_loss(bad));
    };
    refuses([&](HeadLoss& h) { h.z_t = f32(2, 6); });
    refuses([&](HeadLoss& h) { h.labels = i32(3); });
    refuses([&](HeadLoss& h) { h.labels = f32(2); });
    refuses([&](HeadLoss& h) { h.kd = f32(3); });
    refuses([&](HeadLoss& h) { h.lm = View(); });
    refuses([&](HeadLoss& h) { h.tau = 0.0F; });
    EXPECT_REFUSED("argmax", b.argmax_rows(i32(3), f32(2, 5)));
    EXPECT_REFUSED("argmax", b.argmax_rows(f32(2), f32(2, 5)));
    refuses([&](HeadLoss& h) { h.top_ids = i32(2, 3); });  // beside z_t
    const auto refuses_top = [&](const std::function<void(HeadLoss&)>& spoil) {
        HeadLoss bad = good;
        bad.z_t = {};
        bad.top_ids = i32(2, 3);
        bad.top_z = f32(2, 3);
        bad.lse = f32(2);
        spoil(bad);
        EXPECT_REFUSED("head_loss", b.head_loss(bad));
    };
    refuses_top([&](HeadLoss& h) { h.top_ids = f32(2, 3); });
    refuses_top([&](HeadLoss& h) { h.top_z = f32(2, 4); });
    refuses_top([&](HeadLoss& h) { h.top_z = f32(2, 6), h.top_ids = i32(2, 6); });
    refuses_top([&](HeadLoss& h) { h.lse = View(); });
    EXPECT_REFUSED("top_k", b.top_k(f32(2, 3), i32(2, 4), f32(2, 5)));
    EXPECT_REFUSED("top_k", b.top_k(f32(2, 6), i32(2, 6), f32(2, 5)));
    EXPECT_REFUSED("log_sum_exp", b.log_sum_exp(f32(3), f32(2, 5), 1.0F));
    EXPECT_REFUSED("log_sum_exp", b.log_sum_exp(f32(2), f32(2, 5), 0.0F));
    EXPECT_REFUSED("label_ranks", b.label_ranks(i32(3), f32(2, 5), i32(2)));
    EXPECT_REFUSED("label_ranks", b.label_ranks(i32(2), f32(2, 5), i32(3)));
    EXPECT_REFUSED("label_ranks", b.label_ranks(i32(2), f32(2, 5), f32(2)));
    EXPECT_REFUSED("clone_loss", b.clone_loss({f32(1), {}, f32(6, 4), f32(6, 5), 3}));
    EXPECT_REFUSED("clone_loss", b.clone_loss({f32(1), f32(6, 5), f32(6, 4), f32(6, 4), 3}));
    EXPECT_REFUSED("clone_loss", b.clone_loss({f32(2), {}, f32(6, 4), f32(6, 4), 3}));
    EXPECT_REFUSED("clone_loss", b.clone_loss({f32(1), {}, f32(6, 4), f32(6, 4), 4}));
    EXPECT_REFUSED("tap_moments", b.tap_moments(f32(5), f32(1), f32(6, 4), 3, false));
    EXPECT_REFUSED("tap_moments", b.tap_moments(f32(4), f32(1), f32(6, 4), 4, false));
}

TEST_P(ContractTest, ReductionsAndOptimisersOfWrongShapes) {
    Backend& b = backend();
    EXPECT_REFUSED("sum", b.sum(f32(2), f32(5)));
    EXPECT_REFUSED("sum", b.sum_squares(f32(1), i32(5)));
    EXPECT_REFUSED("adamw", b.adamw(f32(3), f32(3), f32(4), f32(3), {}));
    EXPECT_REFUSED("adamw", b.adamw(f32(3), f32(2), f32(3), f32(3), {}));
    EXPECT_REFUSED("sgd", b.sgd(f32(3), f32(2), 0.1F, 0.0F, 1.0F));
}

// The trainer notices a bad update by its loss and norm alone, so no op may swallow a NaN.
TEST_P(ContractTest, NaNGoesThroughEveryOpOfTheModel) {
    Backend& b = backend();
    const auto has_nan = [&](const View& x) {
        const Vector values = get_vector(x);
        return std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); });
    };
    for (const std::size_t place : {0U, 100U, 33U * 48U - 1U}) {
        Matrix bad = random(33, 48);
        bad.data[place] = std::nan("");
        const View x = put_stored(bad), fine = put_stored(random(33, 48)), y = out_stored(33, 48);
        const View square = put_stored(random(48, 48)), width = f32(48);
        const auto clean = [&] { b.copy(y, fine); };

        clean(), b.matmul({y, x, square});
        EXPECT_TRUE(has_nan(y)) << "matmul " << place;
        clean(), b.gelu(y, x);
        EXPECT_TRUE(has_nan(y)) << "gelu " << place;
        clean(), b.gelu_backward(y, fine, x);
        EXPECT_TRUE(has_nan(y)) << "gelu_backward " << place;
        clean(), b.gelu_backward(y, x, fine);
        EXPECT_TRUE(has_nan(y)) << "gelu_backward " << place;
        const View wide = out(33, 48);
        b.dropout(wide, put(bad), {.rate = 0.0F});
        EXPECT_TRUE(has_nan(wide)) << "dropout " << place;
        clean(), b.layernorm({y, {}, f32(33), f32(33), put(bad), {}, width, width});
        EXPECT_TRUE(has_nan(y)) << "layernorm " << place;
        const View lse = f32(33).reshape({1, 1, 33}), out = put_stored(Matrix(33, 16, 0.0));
        b.attention(out, lse, x, {1, 33, 1, 16});
        EXPECT_TRUE(has_nan(out)) << "attention " << place;
        const View d_qkv = put_stored(Matrix(33, 48, 0.0));
        b.attention_backward(d_qkv, out, out, lse, fine, {1, 33, 1, 16});
        EXPECT_TRUE(has_nan(d_qkv)) << "attention_backward " << place;
    }
}

TEST_P(ContractTest, AnUnknownDeviceIsAUsageError) {
    EXPECT_ERROR(ExitCode::usage, "abacus", make_backend("abacus"));
}

TEST_P(ContractTest, ProfileNamesTheOpsAndIsTakenOnce) {
    const View x = f32(33, 48), y = f32(33, 48);
    backend().add(y, x);
    EXPECT_TRUE(backend().take_profile().empty());
    backend().set_profiling(true);
    backend().add(y, x);
    backend().gelu(y, x);
    const auto profile = backend().take_profile();
    EXPECT_EQ(profile.count("add"), 1U);
    EXPECT_EQ(profile.count("gelu"), 1U);
    EXPECT_TRUE(backend().take_profile().empty());
}

LRD_ON_EVERY_BACKEND(ContractTest);

}  // namespace
}  // namespace lrd::test
