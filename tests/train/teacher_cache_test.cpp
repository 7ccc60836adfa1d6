// SPDX-License-Identifier: MIT
// Sizes of a teacher cache; its folder; its memory.
#include <gtest/gtest.h>

#include <filesystem>

#include "expect_error.hpp"
#include "mpi/mpi_main.hpp"
#include "temporary_directory.hpp"
#include "train/nodes.hpp"
#include "train/teacher_cache_files.hpp"
#include "train/teacher_cache_memory.hpp"

namespace lrd::test {
namespace {

TEST(TeacherCacheSize, OfGpt2SmallOnWikiText2) {
    const Gpt2Config gpt2;
    TeacherSettings s;
    constexpr std::int64_t windows = 2337, T = 1024;
    const TeacherCacheSize all = teacher_cache_size(s, gpt2, windows, T, 1);
    EXPECT_EQ(all.hidden, windows * T * 1536);  // 1.5 KB a token
    EXPECT_EQ(all.clone(), windows * T * 36864);
    EXPECT_EQ(all.top_k, 0);
    EXPECT_EQ(all.per_layer, windows * T * 3072);
    s.cache_clone = "0,5";
    s.cache_topk = 64;
    const TeacherCacheSize top = teacher_cache_size(s, gpt2, windows, T, 2);
    EXPECT_EQ(top.hidden, 0);
    EXPECT_EQ(top.top_k, windows * T * (64 * 8 + 2 * 4));
    EXPECT_EQ(top.taps[5], top.per_layer);
    EXPECT_EQ(top.taps[1], 0);
    EXPECT_EQ(top.total(), top.top_k + 2 * top.per_layer);
    EXPECT_EQ(describe(all, "all"),
              "91.9 GB with teacher.cache_clone = all; 3.7 GB with none, and 7.4 GB more for each "
              "layer");
    s.cache_precision = "fp32";
    EXPECT_EQ(teacher_cache_size(s, gpt2, windows, T, 2).per_layer, 2 * top.per_layer);
}

TEST(TeacherCacheSize, Layers) {
    EXPECT_EQ(clone_layers("all", 3), (std::vector<std::int64_t>{0, 1, 2}));
    EXPECT_TRUE(clone_layers("none", 3).empty());
    EXPECT_EQ(clone_layers("2,0,2", 3), (std::vector<std::int64_t>{0, 2}));
    for (const char* bad : {"", "0,", "x", "0;1", "-1", "3"}) {
        EXPECT_THROW(clone_layers(bad, 3), Error) << bad;
    }
}

TEST(TeacherCacheSize, PaysBackWhereReadingIsCheaper) {
    const Gpt2Config gpt2;
    TeacherSettings s;
    s.cache_clone = "none";
    const CachePayback exact = cache_payback(s, gpt2, 1024, 1, {4e11});
    EXPECT_NEAR(exact.teacher_s * 4e11 / 1e6, 189.0, 2.0);  // MFLOP of the blocks
    EXPECT_NEAR(exact.read_s, 1536e-9, 1e-12);
    EXPECT_GT(exact.epochs, 0.0);
    EXPECT_LT(exact.epochs, 0.02);
    s.cache_topk = 64;
    EXPECT_NEAR(cache_payback(s, gpt2, 1024, 1, {4e11}).teacher_s * 4e11 / 1e6, 266.0, 2.0);
    EXPECT_LT(cache_payback(s, gpt2, 1024, 1, {1e18}).epochs, 0.0);  // never
}

// ---- where it is kept

CacheLayout layout() {
    return {{{"hidden", DType::bf16, 3}, {"taps/1/hidden", DType::f32, 2}}, 5, 4};
}

void put(TeacherCache& cache, std::int64_t window) {
    ASSERT_TRUE(cache.claim(window));
    EXPECT_FALSE(cache.claim(window));
    for (std::size_t field = 0; field < 2; ++field) {
        std::vector<std::byte> values(cache.layout().field_bytes(field),
                                      static_cast<std::byte>(16 + window + 8 * (field == 0)));
        cache.write(window, field, values);
    }
    cache.commit(window);
}

void expect_window(TeacherCache& cache, std::int64_t window) {
    ASSERT_TRUE(cache.has(window));
    for (std::size_t field = 0; field < 2; ++field) {
        std::vector<std::byte> values(cache.layout().field_bytes(field));
        cache.read(window, field, values);
        for (const std::byte value : values) {
            ASSERT_EQ(value, static_cast<std::byte>(16 + window + 8 * (field == 0)));
        }
    }
}

TEST(FileCache, WindowsAreThereOncePublished) {
    const TemporaryDirectory folder;
    FileCache writer(folder.path(), "digest", layout(), 0);
    put(writer, 3);
    put(writer, 1);
    EXPECT_FALSE(writer.has(3));
    EXPECT_FALSE(writer.claim(3));  // on its way
    FileCache reader(folder.path(), "digest", layout(), 1);
    EXPECT_EQ(reader.present(), 0);
    writer.publish();
    EXPECT_EQ(reader.present(), 0);
    reader.refresh();
    EXPECT_EQ(reader.present(), 2);
    put(reader, 0);  // two writers, each with parts of its own
    reader.publish();
    put(writer, 4);
    put(writer, 2);
    writer.publish();
    reader.refresh();
    EXPECT_TRUE(reader.complete());
    for (std::int64_t w = 0; w < 5; ++w) {
        expect_window(reader, w);
    }
    for (std::int64_t w = 0; w < 5; ++w) {
        expect_window(reader, w);  // once more: now without a checksum
    }
    EXPECT_EQ(FileCache(folder.path(), "digest", layout(), 7).present(), 5);
}

/// Two windows of a batch are written field by field, then committed: a part never ends between them.
TEST(FileCache, APartHasWholeBatches) {
    const TemporaryDirectory folder;
    FileCache writer(folder.path(), "digest", layout(), 0, 1);
    for (std::int64_t first = 0; first < 4; first += 2) {
        for (std::int64_t w = first; w < first + 2; ++w) {
            ASSERT_TRUE(writer.claim(w));
        }
        EXPECT_EQ(writer.present(), first);  // what went before is a part now
        for (std::size_t field = 0; field < 2; ++field) {
            for (std::int64_t w = first; w < first + 2; ++w) {
                writer.write(
                    w, field,
                    std::vector<std::byte>(writer.layout().field_bytes(field),
                                           static_cast<std::byte>(16 + w + 8 * (field == 0))));
            }
        }
        writer.commit(first);
        writer.commit(first + 1);
    }
    writer.publish();
    for (std::int64_t w = 0; w < 4; ++w) {
        expect_window(writer, w);
    }
}

TEST(FileCache, WhatIsNotPublishedIsNowhere) {
    const TemporaryDirectory folder;
    {
        FileCache writer(folder.path(), "digest", layout(), 0);
        put(writer, 3);
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(FileCache, RefusesPartsOfOthers) {
    const TemporaryDirectory folder;
    {
        FileCache writer(folder.path(), "digest", layout(), 0);
        put(writer, 3);
        writer.publish();
    }
    EXPECT_ERROR(ExitCode::bad_data, "part-0000-00000.h5: is a part of another cache",
                 FileCache(folder.path(), "other", layout(), 0));
    CacheLayout wider = layout();
    wider.fields[1].width = 3;
    EXPECT_ERROR(ExitCode::bad_data, "taps/1/hidden is not what the cache says",
                 FileCache(folder.path(), "digest", wider, 0));
    CacheLayout shorter = layout();
    shorter.windows = 3;
    EXPECT_ERROR(ExitCode::bad_data, "window 3 is not in [0, 3)",
                 FileCache(folder.path(), "digest", shorter, 0));
}

/// Every rank knows the windows of all, whoever computed them.
void expect_shared(Communicator& ranks) {
    MemoryCache cache(layout(), ranks);
    const auto mine = [&](std::int64_t window) { return window % ranks.size() == ranks.rank(); };
    for (std::int64_t window = 0; window < 4; ++window) {
        EXPECT_FALSE(cache.has(window));
        if (mine(window)) {
            put(cache, window);
        }
        EXPECT_EQ(cache.has(window), mine(window));
    }
    cache.share(ranks);
    EXPECT_EQ(cache.present(), 4);
    for (std::int64_t window = 0; window < 4; ++window) {
        expect_window(cache, window);
    }
    EXPECT_FALSE(cache.complete());
    if (ranks.rank() == ranks.size() - 1) {
        put(cache, 4);
    }
    cache.share(ranks);
    expect_window(cache, 4);
    EXPECT_TRUE(cache.complete());
}

TEST(MemoryCache, IsOfAllRanksOfANode) {
    MemoryCache cache(layout(), world());
    EXPECT_EQ(cache.shared(), world().node_size() > 1);
    expect_shared(world());
}

TEST(MemoryCache, IsOfAllNodes) {
    OneRankPerNode nodes;
    EXPECT_FALSE(MemoryCache(layout(), nodes).shared());
    expect_shared(nodes);
}

TEST(MemoryCache, IsOfUnequalNodes) {
    UnequalNodes nodes;
    expect_shared(nodes);
}

TEST(MemoryCache, OneRankOfANodeClaimsAWindow) {
    MemoryCache cache(layout(), world());
    double claims = cache.claim(2) ? 1.0 : 0.0;
    world().all_reduce_sum({&claims, 1});
    EXPECT_EQ(claims, 1.0);
}

}  // namespace
}  // namespace lrd::test
