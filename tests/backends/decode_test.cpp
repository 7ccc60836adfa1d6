// SPDX-License-Identifier: MIT
#include <omp.h>

#include "backends/backend_test.hpp"

namespace lrd::test {
namespace {

using reference::Heads;

std::int64_t extent(std::size_t x) { return static_cast<std::int64_t>(x); }

class DecodeTest : public BackendTest {
protected:
    View put_cache(const Matrix& x, std::size_t B) {
        return put(x).reshape({extent(B), extent(x.rows / B), extent(x.cols)});
    }

    /// Magnitudes of y: a score is known to ulp·size, which changes its share by that fraction.
    Matrix sizes(const Matrix& cache_k, const Matrix& cache_v, const Matrix& qkv,
                 const Ids& lengths, std::size_t H) {
        const std::size_t B = lengths.size(), width = cache_k.cols, D = width / H;
        const std::size_t room = cache_k.rows / B;
        Matrix out(B, width);
        for (std::size_t b = 0; b < B; ++b) {
            for (std::size_t c = 0; c < width; ++c) {
                double largest_v = 0.0, largest_score = 0.0;
                for (std::size_t j = 0; j <= static_cast<std::size_t>(lengths[b]); ++j) {
                    double score = 0.0;
                    for (std::size_t d = c / D * D; d < (c / D + 1) * D; ++d) {
                        score += std::fabs(qkv(b, d) * cache_k(b * room + j, d));
                    }
                    score /= std::sqrt(static_cast<double>(D));
                    largest_score = std::max(largest_score, score);
                    largest_v = std::max(largest_v, std::fabs(cache_v(b * room + j, c)));
                }
                out(b, c) = largest_v * (1.0 + largest_score);
            }
        }
        return out;
    }

    void check(std::size_t room, std::size_t H, std::size_t D, const Ids& lengths) {
        const std::size_t B = lengths.size(), width = H * D;
        Matrix k = random(B * room, width), v = random(B * room, width);
        const Matrix qkv = random(B, 3 * width);
        const View at_k = put_cache(k, B), at_v = put_cache(v, B), y = out(B, width);
        backend().attention_decode(y, at_k, at_v, put(qkv), put(lengths), extent(H));
        const Matrix want = reference::attention_decode(k, v, qkv, lengths, H);
        const std::string name = fmt::format("B{} room{} H{} D{}", B, room, H, D);
        expect_close("y " + name, Op::attention_decode, get(y).data, want.data,
                     sizes(k, v, qkv, lengths, H).data, static_cast<double>(room + D));
        expect_equal("keys " + name, get_vector(at_k), k.data);
        expect_equal("values " + name, get_vector(at_v), v.data);
    }
};

TEST_P(DecodeTest, NewTokensAttendToTheirCacheAndJoinIt) {
    for (const std::size_t D : {1U, 3U, 16U, 33U, 64U}) {
        for (const std::size_t H : {1U, 2U, 3U}) {
            check(1, H, D, {0});
            check(5, H, D, {4, 0});
            check(33, H, D, {0, 32, 7});
            check(67, H, D, {1, 66, 16, 15, 31});
        }
    }
    check(301, 3, 32, {300, 1, 299, 17});
}

// Token by token on a cache that begins with a prefix is the same as all at once.
TEST_P(DecodeTest, PrefixAndTokensAreTheWholeSequence) {
    for (const std::size_t B : {1U, 2U, 5U}) {
        const Heads all{B, 9, 3, 7};
        const std::size_t width = all.H * all.D, prefix = 4;
        const Matrix qkv = random(B * all.T, 3 * width);
        const Matrix want = reference::attention(qkv, all).y;
        const auto rows = [&](std::size_t begin, std::size_t end) {
            Matrix part(B * (end - begin), 3 * width);
            for (std::size_t b = 0; b < B; ++b) {
                for (std::size_t t = begin; t < end; ++t) {
                    for (std::size_t c = 0; c < 3 * width; ++c) {
                        part(b * (end - begin) + t - begin, c) = qkv(b * all.T + t, c);
                    }
                }
            }
            return part;
        };
        Matrix k(B * 11, width, 99.0), v(B * 11, width, 99.0);
        const View at_k = put_cache(k, B), at_v = put_cache(v, B);
        backend().store_kv(at_k, at_v, put(rows(0, prefix)), {extent(B), extent(prefix), 3, 7});
        reference::store_kv(k, v, rows(0, prefix), {B, prefix, 3, 7});
        expect_equal("stored keys", get_vector(at_k), k.data);
        expect_equal("stored values", get_vector(at_v), v.data);
        for (std::size_t t = prefix; t < all.T; ++t) {
            const View y = out(B, width);
            const Ids lengths(B, static_cast<std::int32_t>(t));
            backend().attention_decode(y, at_k, at_v, put(rows(t, t + 1)), put(lengths), 3);
            Vector row;
            for (std::size_t b = 0; b < B; ++b) {
                for (std::size_t c = 0; c < width; ++c) {
                    row.push_back(want(b * all.T + t, c));
                }
            }
            expect_close(fmt::format("token {}", t), Op::attention_decode, get(y).data, row,
                         Vector(row.size(), 20.0), 16);
        }
    }
}

TEST_P(DecodeTest, ScoresFarFromZeroDoNotOverflow) {
    for (const double sign : {-1.0, 1.0}) {  // all scores near ∓2500
        Matrix k = random(31, 16, 0.01), v = random(31, 16), qkv = random(1, 48, 0.01);
        qkv(0, 0) = 100.0;
        qkv(0, 16) = sign * 100.0;
        for (std::size_t j = 0; j < k.rows; ++j) {
            k(j, 0) = sign * 100.0;
        }
        const View y = out(1, 16);
        backend().attention_decode(y, put_cache(k, 1), put_cache(v, 1), put(qkv), put(Ids{30}), 1);
        const Matrix want = reference::attention_decode(k, v, qkv, {30}, 1);
        expect_close("y", Op::attention_decode, get(y).data, want.data,
                     sizes(k, v, qkv, {30}, 1).data, 47);
    }
}

TEST_P(DecodeTest, NaNOfAnyTokenIsSeen) {
    for (const std::size_t place : {0U, 3U, 4U}) {  // first, last old, new
        Matrix k = random(5, 6), v = random(5, 6), qkv = random(1, 18);
        (place < 4 ? k(place, 2) : qkv(0, 8)) = std::nan("");
        const View y = put(Matrix(1, 6));
        backend().attention_decode(y, put_cache(k, 1), put_cache(v, 1), put(qkv), put(Ids{4}), 1);
        EXPECT_TRUE(std::isnan(get(y).data[0])) << place;
    }
}

TEST_P(DecodeTest, SameBitsAtAnyNumberOfThreads) {
    const Matrix k = random(5 * 300, 3 * 33), v = random(5 * 300, 3 * 33);
    const View qkv = put(random(5, 3 * 3 * 33)), lengths = put(Ids{299, 0, 17, 298, 150});
    const View prompt = put(random(5 * 299, 3 * 3 * 33));
    const auto run = [&](int threads) {
        omp_set_num_threads(threads);
        const View at_k = put_cache(k, 5), at_v = put_cache(v, 5), y = out(5, 3 * 33);
        backend().store_kv(at_k, at_v, prompt, {5, 299, 3, 33});
        backend().attention_decode(y, at_k, at_v, qkv, lengths, 3);
        return std::array{get_bytes(y), get_bytes(at_k), get_bytes(at_v)};
    };
    const int before = omp_get_max_threads();
    const auto one = run(1);
    for (const int threads : {2, 3, 7, 1}) {
        EXPECT_TRUE(run(threads) == one) << threads << " threads";
    }
    omp_set_num_threads(before);
}

LRD_ON_EVERY_BACKEND(DecodeTest);

}  // namespace
}  // namespace lrd::test
