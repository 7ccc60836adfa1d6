// SPDX-License-Identifier: MIT
#include "data/tokenizer.hpp"

#include <gtest/gtest.h>

#include <pthread.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "data/pretokenizer.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"
#include "tokenizers.hpp"

namespace lrd {
namespace {

using test::encode;
using test::Ids;
using test::shared_data;
using test::trained;

/// The definition, word for word: in each piece, merge the pair of lowest rank, leftmost first.
Ids encode_slowly(const Tokenizer& tokenizer, std::string_view text) {
    Ids all;
    for_each_piece(text, [&](std::string_view piece) {
        Ids ids;
        for (const char c : piece) {
            ids.push_back(tokenizer.id_of_byte(static_cast<unsigned char>(c)));
        }
        for (;;) {
            std::int32_t best = MergeRanks::none;
            for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
                best = std::min(best, tokenizer.rank(ids[i], ids[i + 1]));
            }
            if (best == MergeRanks::none) {
                break;
            }
            const Merge& merge = tokenizer.merge(best);
            for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
                if (ids[i] == merge.left && ids[i + 1] == merge.right) {
                    ids[i] = merge.merged;
                    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
                }
            }
        }
        all.insert(all.end(), ids.begin(), ids.end());
    });
    return all;
}

TEST(Encoder, EncodesGpt2Vectors) {
    const std::string dir = shared_data("gpt2-bpe");
    if (dir.empty()) {
        GTEST_SKIP() << "LRD_DATA is not set";
    }
    const Tokenizer tokenizer = Tokenizer::load(dir);  // OpenAI's names
    test::TemporaryDirectory folder;
    tokenizer.save(folder.path());
    EXPECT_EQ(Tokenizer::load(folder.path()).sha256(), tokenizer.sha256());
    Encoder encoder(tokenizer);  // one for all lines: what it has met must not matter
    EXPECT_EQ(tokenizer.vocab_size(), 50257);
    EXPECT_EQ(tokenizer.end_of_text(), 50256);
    EXPECT_EQ(encode(tokenizer, "Hello world"), (Ids{15496, 995}));
    EXPECT_EQ(encode(tokenizer, "<|endoftext|>").size(), 7U);  // ordinary text

    std::istringstream lines(read_text(shared_data("bpe-vectors/vectors.hex.tsv")));
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
        const std::size_t tab = line.find('\t');
        const std::size_t second = line.find('\t', tab + 1);
        const std::string hex = line.substr(tab + 1, second - tab - 1);
        std::string text;
        for (std::size_t i = 0; hex != "-" && i < hex.size(); i += 2) {
            text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
        }
        Ids expected;
        std::istringstream numbers(line.substr(second + 1));
        for (std::int32_t id = 0; numbers >> id;) {
            expected.push_back(id);
        }
        Ids ids;
        encoder.encode(text, ids);
        EXPECT_EQ(ids, expected) << line;
        EXPECT_EQ(tokenizer.decode(expected), text) << line;
    }
    EXPECT_GT(count, 30);
}

/// A tokenizer whose merges stand in any order and may make the same token in two ways.
Tokenizer disordered(std::mt19937& random) {
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) {
        tokens.emplace_back(1, static_cast<char>(byte));
    }
    std::vector<std::string> known = {"a", "b", "c"};
    std::map<std::string, std::int32_t> ids = {{"a", 'a'}, {"b", 'b'}, {"c", 'c'}};
    std::set<std::pair<std::int32_t, std::int32_t>> pairs;
    std::vector<Merge> merges;
    for (int i = 0; i < 40; ++i) {
        const std::string left = known[random() % known.size()];
        const std::string right = known[random() % known.size()];
        if (left.size() + right.size() > 9 || !pairs.insert({ids[left], ids[right]}).second) {
            continue;
        }
        const auto [merged, fresh] =
            ids.emplace(left + right, static_cast<std::int32_t>(tokens.size()));
        if (fresh) {
            tokens.push_back(left + right);
            known.push_back(left + right);
        }
        merges.push_back({ids[left], ids[right], merged->second});
    }
    std::shuffle(merges.begin(), merges.end(), random);
    const auto end_of_text = static_cast<std::int32_t>(tokens.size());
    tokens.emplace_back("<|endoftext|>");
    return Tokenizer(std::move(tokens), std::move(merges), end_of_text);
}

TEST(Encoder, EveryListOfMergesAndEveryLengthFollowTheDefinition) {
    std::mt19937 random(11);
    for (int round = 0; round < 40; ++round) {
        const Tokenizer tokenizer = disordered(random);
        std::string text;
        // Pieces that are kept, that are merged in place, and that are merged by a heap.
        for (const std::size_t length : {1, 2, 29, 30, 31, 127, 128, 129, 130, 300}) {
            for (std::size_t i = 0; i < length; ++i) {
                text += "abc"[random() % 3];
            }
            text += '.';
        }
        ASSERT_EQ(encode(tokenizer, text), encode_slowly(tokenizer, text)) << text;
    }
}

TEST(Encoder, WhatItHasMetDoesNotMatter) {
    std::string text;  // more pieces than it keeps, each of them twice
    for (const int seed : {21, 21}) {
        std::mt19937 random(static_cast<unsigned>(seed));
        for (int word = 0; word < 100000; ++word) {
            for (auto length = 1 + random() % 12; length > 0; --length) {
                text += "etaoinshrdlucmfw"[random() % 16];
            }
            text += ' ';
        }
    }
    const Tokenizer tokenizer = trained(std::string_view(text).substr(0, 100000), 600);
    EXPECT_EQ(encode(tokenizer, text), encode_slowly(tokenizer, text));
}

TEST(Encoder, ThreadsShareATokenizer) {
    const std::string text = "the theme of the thesis, the end of the theme ";
    const Tokenizer tokenizer = trained(text, 268);
    const Ids expected = encode(tokenizer, text);
    std::vector<Ids> ids(4);
    std::vector<std::thread> threads;
    for (Ids& own : ids) {
        threads.emplace_back([&] {
            Encoder encoder(tokenizer);
            for (int i = 0; i < 1000; ++i) {
                own.clear();
                encoder.encode(text, own);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(ids, std::vector<Ids>(4, expected));
}

/// Runs `work` on a stack of 256 KiB, which deep recursion would leave; its processor time in
/// seconds, so that other load does not count.
double seconds_on_a_small_stack(std::function<void()> work) {
    struct Task {
        std::function<void()> work;
        double seconds;
    } task{std::move(work), 0};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    const auto run = [](void* argument) -> void* {
        auto& own = *static_cast<Task*>(argument);
        const auto now = [] {
            timespec time{};
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
            return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
        };
        const double start = now();
        own.work();
        own.seconds = now() - start;
        return nullptr;
    };
    pthread_t thread{};
    EXPECT_EQ(pthread_create(&thread, &attributes, run, &task), 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    return task.seconds;
}

void encode_a_megabyte_of_everything(const Tokenizer& tokenizer) {
    for (const std::string character : {"a", " ", "^", "🙂", "=", "\n", "7", "日", "\u3000"}) {
        std::string text;
        while (text.size() < 1000000) {
            text += character;
        }
        Ids ids;
        EXPECT_LT(seconds_on_a_small_stack([&] { Encoder(tokenizer).encode(text + "z", ids); }),
                  1 * LRD_TIME_FACTOR)
            << character;
        EXPECT_EQ(tokenizer.decode(ids), text + "z") << character;
    }
}

TEST(Encoder, AMegabyteOfOneCharacterTakesLessThanASecond) {
    const Tokenizer tokenizer = trained(std::string(1000000, 'a') + "z", 270);
    EXPECT_LT(encode(tokenizer, std::string(1000000, 'a')).size(), 1000U);
    encode_a_megabyte_of_everything(tokenizer);
}

TEST(Encoder, AMegabyteOfOneCharacterTakesLessThanASecondWithGpt2sVocabulary) {
    const std::string dir = shared_data("gpt2-bpe");
    if (dir.empty()) {
        GTEST_SKIP() << "LRD_DATA is not set";
    }
    encode_a_megabyte_of_everything(Tokenizer::load(dir));
}

}  // namespace
}  // namespace lrd
