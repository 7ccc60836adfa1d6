// SPDX-License-Identifier: MIT
#include "data/loader.hpp"

#include <gtest/gtest.h>

#include <set>

#include "counting_tokens.hpp"
#include "data/eval_windows.hpp"
#include "expect_error.hpp"

namespace lrd {
namespace {

using test::Counting;

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

TEST(Loader, ALimitTakesWholeDocuments) {
    Counting data({7, 5, 9, 1, 30}, 2);  // ends at 7, 12, 21, 22, 52
    const auto windows = [&](std::int64_t limit) {
        return Loader(data.tokens, {.context = 1, .limit_tokens = limit}).windows();
    };
    EXPECT_EQ(windows(7), 6);
    EXPECT_EQ(windows(11), 6);
    EXPECT_EQ(windows(12), 11);
    EXPECT_EQ(windows(21), 20);
    EXPECT_EQ(windows(22), 21);
    EXPECT_EQ(windows(51), 21);
    EXPECT_EQ(windows(52), 51);
    EXPECT_EQ(windows(0), 51);
    EXPECT_ERROR(ExitCode::usage, "data.limit_tokens = 6: whole documents are taken, and the first",
                 windows(6));
    EXPECT_ERROR(ExitCode::usage, "needs 9",
                 Loader(data.tokens, {.context = 8, .limit_tokens = 7}));
}

TEST(Loader, DocumentMaskSaysWhereDocumentsBegin) {
    const std::vector<std::int64_t> lengths{7, 5, 9, 1, 1, 30, 2, 8, 4, 1};
    Counting data(lengths, 3);
    std::vector<std::int64_t> begin;  // of the document of each token
    for (const std::int64_t length : lengths) {
        begin.resize(begin.size() + static_cast<std::size_t>(length),
                     static_cast<std::int64_t>(begin.size()));
    }
    for (const std::int64_t T : {2, 3, 7, 8, 22}) {
        Loader loader(data.tokens, {.context = T, .document_mask = true});
        RowCounts counted;
        for (std::int64_t s = 0; s < loader.windows(); ++s) {
            const Batch batch = loader.sample(s, 1);
            ASSERT_EQ(batch.starts.size(), static_cast<std::size_t>(T));
            for (std::int64_t t = 0; t < T; ++t) {
                const std::int64_t base = loader.window_of(s) * T;
                const auto at = static_cast<std::size_t>(base + t);
                const std::int64_t start = std::max<std::int64_t>(0, begin[at] - base);
                const bool ends = begin[at + 1] != begin[at];
                EXPECT_EQ(batch.starts[static_cast<std::size_t>(t)], start);
                EXPECT_EQ(batch.labels[static_cast<std::size_t>(t)], ends ? -1 : base + t + 1);
                ++counted.rows;
                counted.firsts += start == t ? 1 : 0;
                counted.targets += ends ? 0 : 1;
            }
        }
        const RowCounts all = loader.counts(0, loader.windows());
        EXPECT_EQ(all.rows, counted.rows);
        EXPECT_EQ(all.firsts, counted.firsts);
        EXPECT_EQ(all.targets, counted.targets);
        EXPECT_TRUE(Loader(data.tokens, {.context = T}).sample(0, 1).starts.empty());
    }
    EXPECT_ERROR(ExitCode::usage, "data.document_mask with data.context = 1",
                 Loader(data.tokens, {.context = 1, .document_mask = true}));
}

// Counted, not timed: each block of the files is read once while all of them fit in memory, and a
// window never costs more than the two blocks that it lies in.
TEST(Loader, ReadsABlockOnceHoweverManyWindowsAreInIt) {
    Counting data(4000);  // 40 shards, each one block
    Loader loader(data.tokens, {.context = 7});
    for (std::int64_t s = 0; s < 3 * loader.windows(); ++s) {
        loader.sample(s, 1);
    }
    EXPECT_EQ(data.tokens.blocks_read(), 40);
}

TEST(BlockCache, KeepsWhatWasUsedLast) {
    BlockCache cache(30);
    const auto get = [&](std::int64_t number) {
        const auto block = cache.get(number, 10, [&](std::span<std::int32_t> out) {
            std::fill(out.begin(), out.end(), static_cast<std::int32_t>(number));
        });
        EXPECT_EQ(block.size(), 10U);
        EXPECT_EQ(block[9], number);
    };
    for (const std::int64_t number : {1, 2, 3, 1, 2, 3}) {
        get(number);
    }
    EXPECT_EQ(cache.reads(), 3);
    get(4);  // takes the place of 1
    get(2);
    get(3);
    EXPECT_EQ(cache.reads(), 4);
    get(1);
    EXPECT_EQ(cache.reads(), 5);
    EXPECT_THROW(cache.get(9, 10, [](std::span<std::int32_t>) { throw 1; }), int);
    get(9);
    BlockCache tiny(1);  // one block, whatever its size
    tiny.get(5, 10, [](std::span<std::int32_t>) {});
    tiny.get(5, 10, [](std::span<std::int32_t>) {});
    EXPECT_EQ(tiny.reads(), 1);
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
