// SPDX-License-Identifier: MIT
#include "data/loader.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "data/eval_windows.hpp"
#include "data/shard_writer.hpp"
#include "expect_error.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

using Ids = std::vector<std::int32_t>;

/// A split whose token i has id i, in several shards; n ≥ 1 is even.
struct Counting {
    test::TemporaryDirectory dir;
    TokenFiles tokens;

    explicit Counting(std::int64_t n) : tokens(write(dir.path(), n), "train") {}

    static std::string write(const std::string& path, std::int64_t n) {
        // Each document is one id and the end-of-text token: i odd is a token of its own here.
        for (std::int64_t i = 0; i < n; i += 100) {
            h5_shard(path, i / 100, (n + 99) / 100, i, std::min<std::int64_t>(100, n - i));
        }
        return path;
    }
    static void h5_shard(const std::string& path, std::int64_t index, std::int64_t shards,
                         std::int64_t first, std::int64_t count) {
        namespace names = shard_format;
        h5::File file = h5::File::create(path + "/" + names::file_name("train", index));
        std::vector<std::uint16_t> ids(static_cast<std::size_t>(count));
        std::iota(ids.begin(), ids.end(), static_cast<std::uint16_t>(first));
        file.write(names::tokens, ids);
        file.write(names::doc_offsets, std::vector<std::int64_t>{0, count});
        file.write(names::doc_bytes, std::vector<std::int64_t>{1});
        file.write(names::doc_words, std::vector<std::int64_t>{1});
        const std::pair<const char*, std::int64_t> numbers[] = {{names::format_version, 1},
                                                                {names::vocab_size, 60000},
                                                                {names::end_of_text, 59999},
                                                                {names::invalid_utf8, 0},
                                                                {names::n_documents, 1},
                                                                {names::n_tokens, count},
                                                                {names::max_id, first + count - 1},
                                                                {names::bytes, 1},
                                                                {names::words, 1},
                                                                {names::shard, index},
                                                                {names::shards, shards}};
        for (const auto& [key, value] : numbers) {
            file.set_attribute("/", key, value);
        }
        for (const char* key : {names::document_rule, names::tokenizer_sha256, names::digest}) {
            file.set_attribute("/", key, "x");
        }
        file.set_attribute("/", names::split, "train");
        file.close();
    }
};

TEST(Loader, WindowsShareOneToken) {
    Counting data(41);
    Loader loader(data.tokens, {.context = 10, .shuffle = false});
    ASSERT_EQ(loader.windows(), 4);
    const Batch batch = loader.sample(1, 2);
    EXPECT_EQ(batch.sequences, 2);
    EXPECT_EQ(batch.context, 10);
    ASSERT_EQ(batch.ids.size(), 20U);
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(batch.ids[static_cast<std::size_t>(i)], 10 + i);
        EXPECT_EQ(batch.labels[static_cast<std::size_t>(i)], 11 + i);
    }
    EXPECT_EQ(Loader(data.tokens, {.context = 10, .limit_tokens = 40}).windows(), 3);
    EXPECT_EQ(Loader(data.tokens, {.context = 10, .limit_tokens = 400}).windows(), 4);
    EXPECT_EQ(Loader(data.tokens, {.context = 40}).windows(), 1);
    EXPECT_ERROR(ExitCode::usage, "needs 42", Loader(data.tokens, {.context = 41}));
    EXPECT_ERROR(ExitCode::usage, "limit_tokens",
                 Loader(data.tokens, {.context = 4, .limit_tokens = -1}));
}

TEST(Loader, EachEpochHasEveryWindowOnceInItsOwnOrder) {
    Counting data(1001);
    Loader loader(data.tokens, {.context = 7, .seed = 3});
    const std::int64_t W = loader.windows();
    ASSERT_EQ(W, 142);
    std::set<std::vector<std::int64_t>> orders;
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
        std::vector<std::int64_t> order;
        for (std::int64_t s = epoch * W; s < (epoch + 1) * W; ++s) {
            order.push_back(loader.window_of(s));
            const Batch batch = loader.sample(s, 1);
            EXPECT_EQ(batch.ids[0], loader.window_of(s) * 7);
            EXPECT_EQ(batch.labels[6], loader.window_of(s) * 7 + 7);
        }
        EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(),
                  static_cast<std::size_t>(W));
        EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
        orders.insert(order);
    }
    EXPECT_EQ(orders.size(), 3U);
}

TEST(Loader, BatchesDoNotDependOnWhoAsks) {
    Counting data(1001);
    Loader whole(data.tokens, {.context = 7});
    Loader part(data.tokens, {.context = 7});
    const Batch all = whole.sample(140, 6);  // across the end of the epoch
    for (std::int64_t b = 0; b < 6; ++b) {
        const Batch one = part.sample(140 + b, 1);
        EXPECT_TRUE(std::equal(one.ids.begin(), one.ids.end(), all.ids.begin() + b * 7));
        EXPECT_TRUE(std::equal(one.labels.begin(), one.labels.end(), all.labels.begin() + b * 7));
    }
    const auto* before = all.ids.data();
    EXPECT_EQ(whole.sample(0, 6).ids.data(), before);  // buffers are reused
    Loader other(data.tokens, {.context = 7, .seed = 2});
    int equal = 0;
    for (std::int64_t s = 0; s < 142; ++s) {
        equal += whole.window_of(s) == other.window_of(s) ? 1 : 0;
    }
    EXPECT_LT(equal, 20);
}

TEST(EvalWindows, ScoresEveryTargetOnce) {
    for (const std::int64_t n : {2, 3, 9, 10, 11, 12, 21, 31, 250}) {
        Counting data(n);
        for (const std::int64_t stride : {0, 1, 3, 9, 10}) {
            for (const std::int64_t sequences : {1, 4}) {
                EvalWindows windows(data.tokens, 10, stride, sequences);
                EXPECT_EQ(windows.targets(), n - 1);
                std::vector<int> scored(static_cast<std::size_t>(n), 0);
                std::int64_t count = 0;
                for (std::int64_t i = 0; i < windows.batches(); ++i) {
                    const EvalBatch batch = windows.batch(i);
                    EXPECT_LE(batch.B, sequences);
                    count += batch.B;
                    for (std::int64_t k = 0; k < batch.B * batch.T; ++k) {
                        const auto at = static_cast<std::size_t>(k);
                        const std::int64_t id =
                            batch.first[static_cast<std::size_t>(k / batch.T)] + k % batch.T;
                        EXPECT_EQ(batch.ids[at], id);
                        if (batch.labels[at] >= 0) {
                            EXPECT_EQ(batch.labels[at], id + 1);
                            ++scored[static_cast<std::size_t>(id + 1)];
                        }
                    }
                }
                EXPECT_EQ(count, windows.windows());
                EXPECT_EQ(scored[0], 0);
                EXPECT_EQ(std::count(scored.begin() + 1, scored.end(), 1), n - 1)
                    << "n " << n << " stride " << stride;
            }
        }
    }
}

TEST(EvalWindows, LaterWindowsScoreTheirLastTargetsOnly) {
    Counting data(21);
    EvalWindows windows(data.tokens, 10, 4, 1);
    ASSERT_EQ(windows.windows(), 4);  // 1–10, 11–14, 15–18, 19–20
    const std::pair<std::int64_t, std::int64_t> scored[] = {{1, 10}, {11, 14}, {15, 18}, {19, 20}};
    for (std::int64_t i = 0; i < 4; ++i) {
        const EvalBatch batch = windows.batch(i);
        EXPECT_EQ(batch.first[0], 4 * i);
        const auto& [low, high] = scored[i];
        EXPECT_EQ(batch.labels.back(), high);
        const auto begin = std::find_if(batch.labels.begin(), batch.labels.end(),
                                        [](std::int32_t label) { return label >= 0; });
        EXPECT_EQ(*begin, low);
    }
    EXPECT_EQ(windows.batch(3).T, 8);
    EXPECT_ERROR(ExitCode::usage, "--stride 11", EvalWindows(data.tokens, 10, 11, 1));
    Counting one(1);
    EXPECT_ERROR(ExitCode::usage, "scoring needs 2", EvalWindows(one.tokens, 10, 0, 1));
}

}  // namespace
}  // namespace lrd
