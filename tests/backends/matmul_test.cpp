// SPDX-License-Identifier: MIT
#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

/// How a matrix lies in memory.
struct Layout {
    bool transposed = false, sliced = false;  // sliced: columns of a wider matrix
};

constexpr std::size_t left = 3, right = 2;  // margins, so that a slice is not aligned
constexpr double margin = 7.0;

class MatmulTest : public BackendTest {
protected:
    struct Placed {
        View view, storage;
    };

    Placed place(const Matrix& x, Layout layout, double outside) {
        const Matrix inner = layout.transposed ? reference::transpose(x) : x;
        if (!layout.sliced) {
            const View all = put_stored(inner);
            return {layout.transposed ? all.t() : all, all};
        }
        Matrix wide(inner.rows, left + inner.cols + right, outside);
        for (std::size_t i = 0; i < inner.rows; ++i) {
            for (std::size_t j = 0; j < inner.cols; ++j) {
                wide(i, left + j) = inner(i, j);
            }
        }
        const View all = put_stored(wide);
        const View part = all.columns(left, static_cast<std::int64_t>(left + inner.cols));
        return {layout.transposed ? part.t() : part, all};
    }

    /// The content of what `place` made; margins must be as they were.
    Matrix content(const Placed& placed, Layout layout) {
        Matrix all = get(placed.storage);
        if (layout.sliced) {
            Matrix inner(all.rows, all.cols - left - right);
            for (std::size_t i = 0; i < all.rows; ++i) {
                for (std::size_t j = 0; j < all.cols; ++j) {
                    if (j < left || j >= all.cols - right) {
                        EXPECT_EQ(all(i, j), margin) << "written outside of a slice";
                    } else {
                        inner(i, j - left) = all(i, j);
                    }
                }
            }
            all = inner;
        }
        return layout.transposed ? reference::transpose(all) : all;
    }

    struct Case {
        Matrix a, b, c0;
        Vector bias;
        bool accumulate = false;
        Matrix want, magnitude;
    };

    Case make_case(const Matrix& a, const Matrix& b, bool with_bias, bool accumulate) {
        Case out{a, b, Matrix(a.rows, b.cols, std::nan("")), {}, accumulate, {}, {}};
        if (with_bias) {
            out.bias = random_vector(b.cols);
        }
        out.want = reference::matmul(a, b, out.bias);
        out.magnitude = reference::matmul(reference::absolute(a), reference::absolute(b),
                                          reference::absolute(out.bias));
        if (accumulate) {
            out.c0 = random(a.rows, b.cols);
            out.want = reference::add(out.want, out.c0);
            out.magnitude = reference::add(out.magnitude, reference::absolute(out.c0));
        }
        return out;
    }

    void check(const Case& c, Layout of_a, Layout of_b, Layout of_c) {
        const Placed a = place(c.a, of_a, std::nan(""));
        const Placed b = place(c.b, of_b, std::nan(""));
        const Placed out = place(c.c0, of_c, margin);
        Product product{out.view, a.view, b.view};
        product.accumulate = c.accumulate;
        if (!c.bias.empty()) {
            product.bias = put(c.bias);
        }
        backend().matmul(product);
        const auto spelled = [](Layout l) {
            return fmt::format("{}{}", l.sliced ? "slice" : "whole", l.transposed ? "ᵀ" : "");
        };
        expect_close(fmt::format("{}x{}x{}: {} {} {}·{}{}", c.a.rows, c.a.cols, c.b.cols,
                                 spelled(of_c), c.accumulate ? "+=" : "=", spelled(of_a),
                                 spelled(of_b), c.bias.empty() ? "" : " + bias"),
                     Op::product, content(out, of_c).data, c.want.data, c.magnitude.data,
                     static_cast<double>(c.a.cols));
    }
};

constexpr Layout whole{}, turned{true, false}, slice{false, true}, turned_slice{true, true};

/// A gradient of parameters, or logits: fp32 from whatever the factors are stored in.
TEST_P(MatmulTest, Fp32OfStoredFactors) {
    for (const bool accumulate : {false, true}) {
        const Case c = make_case(random(33, 130), random(130, 48), false, accumulate);
        const View at = put(accumulate ? c.c0 : Matrix(33, 48, std::nan("")));
        backend().matmul({.c = at,
                          .a = put_stored(reference::transpose(c.a)).t(),
                          .b = put_stored(c.b),
                          .accumulate = accumulate});
        const Matrix got = get(at);
        for (std::size_t i = 0; i < got.data.size(); ++i) {  // tighter than what is stored in bf16
            EXPECT_NEAR(got.data[i], c.want.data[i], 132 * 0x1p-22 * c.magnitude.data[i]);
        }
    }
}

/// What pack() has laid out stands for b, for any number of rows and whichever way b lies.
TEST_P(MatmulTest, Packed) {
    for (const std::size_t rows : {1U, 3U, 130U}) {
        for (const Layout layout : {whole, turned, slice}) {
            const Case c = make_case(random(rows, 70), random(70, 131), true, false);
            const Placed b = place(c.b, layout, std::nan(""));
            const auto bytes = static_cast<std::int64_t>(backend().packed_bytes(b.view));
            if (bytes == 0) {
                return;  // this device multiplies it fastest as it is
            }
            Arena arena(backend(), "packed");
            const View packed = arena.region("packed", DType::i8, {bytes});
            backend().pack(packed, b.view);
            backend().zero(b.storage);  // it is the packed one that is multiplied
            const View out = put_stored(c.c0);
            backend().matmul({.c = out,
                              .a = put_stored(c.a),
                              .b = b.view,
                              .bias = put(c.bias),
                              .packed_b = packed});
            expect_close(fmt::format("{}x70x131 packed", rows), Op::product, get(out).data,
                         c.want.data, c.magnitude.data, 70.0);
        }
    }
}

TEST_P(MatmulTest, OddAndTailShapes) {
    for (const std::size_t rows : {1U, 3U, 31U, 33U, 130U}) {
        for (const std::size_t inner : {1U, 5U, 48U, 768U}) {
            for (const std::size_t cols : {1U, 5U, 48U, 257U}) {
                const bool odd = (rows + inner + cols) % 2 != 0;
                const Case c = make_case(random(rows, inner), random(inner, cols), odd, !odd);
                check(c, whole, whole, whole);
                check(c, turned, whole, whole);
                check(c, whole, turned, whole);
                check(c, turned, turned, whole);
            }
        }
    }
}

TEST_P(MatmulTest, WideSquareAndVocabulary) {
    check(make_case(random(130, 768), random(768, 768), true, false), whole, whole, whole);
    check(make_case(random(33, 48), random(48, 1003), false, false), whole, turned, whole);
    check(make_case(random(1003, 33), random(33, 48), false, true), turned, whole, whole);
}

TEST_P(MatmulTest, EveryRank) {
    constexpr std::size_t C = 48;
    for (std::size_t rank = 1; rank <= C; ++rank) {
        check(make_case(random(33, C), random(C, rank), false, false), whole, whole, whole);
        check(make_case(random(33, rank), random(rank, C), true, false), whole, turned, whole);
        check(make_case(random(rank, 33), random(33, C), false, true), turned, whole, whole);
    }
}

TEST_P(MatmulTest, EveryLayoutOfAllThree) {
    const Layout layouts[] = {whole, turned, slice, turned_slice};
    for (const bool with_bias : {false, true}) {
        for (const bool accumulate : {false, true}) {
            if (with_bias && accumulate) {
                continue;  // not in the contract
            }
            for (const std::size_t inner : {1U, 19U}) {
                const Case c = make_case(random(7, inner), random(inner, 5), with_bias, accumulate);
                for (const Layout a : layouts) {
                    for (const Layout b : layouts) {
                        for (const Layout out : layouts) {
                            check(c, a, b, out);
                        }
                    }
                }
            }
        }
    }
}

TEST_P(MatmulTest, Outliers) {
    for (const bool accumulate : {false, true}) {
        check(make_case(with_outliers(random(33, 48)), random(48, 257), !accumulate, accumulate),
              whole, whole, whole);
    }
}

TEST_P(MatmulTest, GroupedProductsOfDifferentShapes) {
    struct Shape {
        std::size_t rows, inner, cols;
    };
    std::vector<Product> products;
    std::vector<Case> cases;
    std::vector<Placed> outs;
    for (const Shape s : {Shape{33, 48, 5}, Shape{1, 1, 1}, Shape{3, 130, 31}, Shape{33, 48, 5}}) {
        const bool accumulate = s.inner == 130;
        cases.push_back(
            make_case(random(s.rows, s.inner), random(s.inner, s.cols), !accumulate, accumulate));
        const Case& c = cases.back();
        outs.push_back(place(c.c0, whole, margin));
        Product product{outs.back().view, place(c.a, turned, 0).view, place(c.b, slice, 0).view};
        product.accumulate = accumulate;
        if (!c.bias.empty()) {
            product.bias = put(c.bias);
        }
        products.push_back(product);
    }
    backend().grouped_matmul(products);
    for (std::size_t i = 0; i < cases.size(); ++i) {
        expect_close(fmt::format("product {}", i), Op::product, get(outs[i].view).data,
                     cases[i].want.data, cases[i].magnitude.data,
                     static_cast<double>(cases[i].a.cols));
    }
    backend().grouped_matmul({});
}

LRD_ON_EVERY_BACKEND(MatmulTest);

}  // namespace
}  // namespace lrd::test
