// SPDX-License-Identifier: MIT
// Any number of threads, same bits: where threads take pieces as they come free.
#include <gtest/gtest.h>
#include <omp.h>

#include <functional>

#include "core/random.hpp"
#include "kernels/cpu/cpu_backend.hpp"

namespace lrd::test {
namespace {

class ThreadCount : public testing::Test {
protected:
    ~ThreadCount() override { omp_set_num_threads(threads_); }

    View random(std::initializer_list<std::int64_t> shape, std::string_view stream) {
        const View x = arena_.region(std::string(stream), DType::f32, shape);
        std::vector<float> host(static_cast<std::size_t>(x.size()));
        Random(1, stream).normal(host, 0.0, 1.0);
        backend_.upload(x, host.data());
        return x;
    }
    std::vector<float> values(const View& x) {
        std::vector<float> host(static_cast<std::size_t>(x.size()));
        backend_.download(host.data(), x);
        return host;
    }
    void same_bits(const std::function<std::vector<float>()>& op) {
        omp_set_num_threads(1);
        const std::vector<float> alone = op();
        for (const int threads : {2, 3, 5}) {
            omp_set_num_threads(threads);
            EXPECT_TRUE(op() == alone) << threads << " threads";
        }
    }

    int threads_ = omp_get_max_threads();
    CpuBackend backend_;
    Arena arena_{backend_, "test"};
};

TEST_F(ThreadCount, Dropout) {
    const View x = random({517, 131}, "x"), y = random({517, 131}, "y");
    same_bits([&] {
        backend_.dropout(y, x, {0.3F, 5, 9});
        return values(y);
    });
}

TEST_F(ThreadCount, AttentionWithDropout) {
    const AttentionShape shape{2, 257, 3, 16};
    const View qkv = random({514, 144}, "qkv"), d_y = random({514, 48}, "d_y");
    const View y = random({514, 48}, "y"), lse = random({2, 3, 257}, "lse");
    const View d_qkv = random({514, 144}, "d_qkv");
    same_bits([&] {
        backend_.attention(y, lse, qkv, shape, {.dropout = {0.3F, 5, 9}});
        backend_.attention_backward(d_qkv, d_y, y, lse, qkv, shape, {.dropout = {0.3F, 5, 9}});
        std::vector<float> all = values(y);
        const std::vector<float> more = values(d_qkv);
        all.insert(all.end(), more.begin(), more.end());
        return all;
    });
}

// Threads decide into how many parts a head is cut.
TEST_F(ThreadCount, AttentionInBf16) {
    if (!CpuBackend::has_bf16()) {
        GTEST_SKIP() << "this processor has no products of bf16";
    }
    const auto narrow = [&](std::initializer_list<std::int64_t> shape, std::string name) {
        const View x = arena_.region(name + " in bf16", DType::bf16, shape);
        backend_.cast(x, random(shape, name));
        return x;
    };
    const AttentionShape shape{1, 257, 3, 16};
    const View qkv = narrow({257, 144}, "qkv"), d_y = narrow({257, 48}, "d_y");
    const View y = narrow({257, 48}, "y"), lse = random({1, 3, 257}, "lse");
    const View d_qkv = narrow({257, 144}, "d_qkv");
    const View wide_y = random({257, 48}, "wide y"), wide_d = random({257, 144}, "wide d_qkv");
    same_bits([&] {
        backend_.attention(y, lse, qkv, shape);
        backend_.attention_backward(d_qkv, d_y, y, lse, qkv, shape);
        backend_.cast(wide_y, y);
        backend_.cast(wide_d, d_qkv);
        std::vector<float> all = values(wide_y);
        for (const View& more : {wide_d, lse}) {
            const std::vector<float> part = values(more);
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    });
}

}  // namespace
}  // namespace lrd::test
