// SPDX-License-Identifier: MIT
// Attention in bf16 and in fp32 are different code: on equal inputs they differ by rounding alone. This
// is sharper than bounds for single elements, which allow what the worst signs could do.
#include <gtest/gtest.h>

#include <cmath>

#include "core/arena.hpp"
#include "core/random.hpp"
#include "kernels/cpu/cpu_backend.hpp"

namespace lrd::test {
namespace {

class AttentionPrecision : public testing::Test {
protected:
    /// Normal numbers in bf16, and the same in fp32.
    struct Both {
        View narrow, wide;
    };
    Both random(std::int64_t rows, std::int64_t cols, const std::string& name) {
        const Both x{arena_.region(name + " narrow", DType::bf16, {rows, cols}),
                     arena_.region(name, DType::f32, {rows, cols})};
        std::vector<float> host(static_cast<std::size_t>(rows * cols));
        Random(1, name).normal(host, 0.0, 1.0);
        backend_.upload(x.wide, host.data());
        backend_.cast(x.narrow, x.wide);
        backend_.cast(x.wide, x.narrow);
        return x;
    }
    /// |narrow − wide| / |wide| of columns [begin, end).
    double distance(const Both& x, std::int64_t begin, std::int64_t end) {
        const View narrow =
            arena_.region(std::to_string(++names_), DType::f32, {x.wide.rows(), x.wide.cols()});
        backend_.cast(narrow, x.narrow);
        double difference = 0.0, size = 0.0;
        for (std::int64_t i = 0; i < narrow.rows(); ++i) {
            for (std::int64_t j = begin; j < end; ++j) {
                const auto a = static_cast<double>(narrow.f32()[i * narrow.cols() + j]);
                const auto b = static_cast<double>(x.wide.f32()[i * narrow.cols() + j]);
                difference += (a - b) * (a - b);
                size += b * b;
            }
        }
        return std::sqrt(difference / size);
    }

    CpuBackend backend_;
    Arena arena_{backend_, "test"};
    int names_ = 0;
};

TEST_F(AttentionPrecision, OfBf16IsItsRounding) {
    if (!CpuBackend::has_bf16()) {
        GTEST_SKIP() << "this processor has no products of bf16";
    }
    const AttentionShape s{2, 300, 2, 40};
    const std::int64_t N = s.B * s.T, width = s.H * s.D;
    const Both qkv = random(N, 3 * width, "qkv"), d_y = random(N, width, "d_y");
    const Both y = random(N, width, "y"), d_qkv = random(N, 3 * width, "d_qkv");
    const View lse = arena_.region("lse", DType::f32, {s.B, s.H, s.T});
    for (const float rate : {0.0F, 0.2F}) {
        const AttentionOptions options{.dropout = {rate, 5, 9}};
        backend_.attention(y.wide, lse, qkv.wide, s, options);
        backend_.attention_backward(d_qkv.wide, d_y.wide, y.wide, lse, qkv.wide, s, options);
        backend_.attention(y.narrow, lse, qkv.narrow, s, options);
        backend_.attention_backward(d_qkv.narrow, d_y.narrow, y.narrow, lse, qkv.narrow, s,
                                    options);
        EXPECT_LT(distance(y, 0, width), 0.005) << "y, dropout " << rate;
        for (const std::int64_t part : {0, 1, 2}) {
            EXPECT_LT(distance(d_qkv, part * width, (part + 1) * width), 0.005)
                << "part " << part << " of d_qkv, dropout " << rate;
        }
    }
}

}  // namespace
}  // namespace lrd::test
