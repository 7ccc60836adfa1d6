// SPDX-License-Identifier: MIT
#include "data/bpe_trainer.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <random>
#include <set>

#include "data/pretokenizer.hpp"
#include "expect_error.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"
#include "tokenizers.hpp"

namespace lrd {
namespace {

using test::encode;
using test::Ids;
using test::shared_data;
using test::trained;

TEST(BpeTrainer, LearnsTheMostFrequentPairAndTheGreatestOfEquals) {
    // "ab" 3 times, "cd" 3 times: (c, d) > (a, b); then the two words of three letters.
    const Tokenizer tokenizer = trained("ab,ab,cd,cd,abx,cdx", 261);
    EXPECT_EQ(tokenizer.bytes_of(256), "cd");
    EXPECT_EQ(tokenizer.bytes_of(257), "ab");
    EXPECT_EQ(tokenizer.bytes_of(258), "cdx");
    EXPECT_EQ(tokenizer.bytes_of(259), "abx");
    EXPECT_EQ(tokenizer.end_of_text(), 260);
    EXPECT_EQ(encode(tokenizer, "abxcdab"), (Ids{259, 256, 257}));
}

/// The definition, word for word: count all pairs anew before every merge.
std::vector<std::string> merges_slowly(const std::string& text, std::size_t count) {
    std::vector<std::vector<std::string>> pieces;
    for_each_piece(text, [&](std::string_view piece) {
        pieces.emplace_back();
        for (const char byte : piece) {
            pieces.back().emplace_back(1, byte);
        }
    });
    std::vector<std::string> merges;
    while (merges.size() < count) {
        std::map<std::pair<std::string, std::string>, int> counts;
        for (const auto& piece : pieces) {
            for (std::size_t i = 0; i + 1 < piece.size(); ++i) {
                ++counts[{piece[i], piece[i + 1]}];
            }
        }
        auto best = counts.begin();
        for (auto one = counts.begin(); one != counts.end(); ++one) {  // in order of their bytes
            best = one->second >= best->second ? one : best;
        }
        if (counts.empty()) {
            break;
        }
        const auto [left, right] = best->first;
        merges.push_back(left + "|" + right);
        for (auto& piece : pieces) {
            for (std::size_t i = 0; i + 1 < piece.size(); ++i) {
                if (piece[i] == left && piece[i + 1] == right) {
                    piece[i] += right;
                    piece.erase(piece.begin() + static_cast<std::ptrdiff_t>(i) + 1);
                }
            }
        }
    }
    return merges;
}

TEST(BpeTrainer, MergesLikeTheDefinitionOnRandomText) {
    std::mt19937 random(3);
    for (int round = 0; round < 60; ++round) {
        std::string text;
        const std::size_t letters = 1 + random() % 4;  // few letters: runs, and equal counts
        for (int i = 0; i < 300; ++i) {
            text += "abcd "[random() % 9 == 0 ? 4 : random() % letters];
        }
        const std::vector<std::string> expected = merges_slowly(text, 30);
        // Tokens that two merges share make the vocabulary smaller than 257 + merges.
        std::set<std::string> made;
        for (std::string merge : expected) {
            made.insert(merge.erase(merge.find('|'), 1));
        }
        const auto size = static_cast<std::int64_t>(257 + made.size());
        const Tokenizer tokenizer = trained(text, size);
        for (std::size_t rank = 0; rank < expected.size(); ++rank) {
            const Merge& merge = tokenizer.merge(static_cast<std::int32_t>(rank));
            ASSERT_EQ(tokenizer.bytes_of(merge.left) + "|" + tokenizer.bytes_of(merge.right),
                      expected[rank])
                << text;
        }
    }
}

TEST(BpeTrainer, CountsAddUpOverTrainers) {
    const auto counts_of = [](const BpeTrainer& trainer) {
        std::map<std::string, std::int64_t> counts;
        trainer.for_each_piece([&](std::string_view piece, std::int64_t n) {
            EXPECT_TRUE(counts.emplace(piece, n).second) << piece;
        });
        return counts;
    };
    BpeTrainer one, two, both;
    one.add("the thesis of the thief ");
    two.add("other theories of the thesis of the end ");
    both.add("the thesis of the thief ");
    both.add("other theories of the thesis of the end ");
    two.for_each_piece([&](std::string_view piece, std::int64_t n) { one.add_counts(piece, n); });
    EXPECT_EQ(counts_of(one), counts_of(both));
    EXPECT_EQ(counts_of(both).at(" of"), 3);
    EXPECT_EQ(one.train(275).sha256(), both.train(275).sha256());
}

TEST(BpeTrainer, APieceOfAMegabyteIsNoTrouble) {
    std::mt19937 random(5);
    std::string text;
    for (int i = 0; i < 1000000; ++i) {
        text += "ab"[random() % 2];
    }
    const std::clock_t start = std::clock();  // of this process: other load does not count
    EXPECT_EQ(trained(text, 4096).vocab_size(), 4096);
    EXPECT_LT(std::clock() - start, 2 * LRD_TIME_FACTOR * CLOCKS_PER_SEC);
}

TEST(BpeTrainer, RefusesAVocabularyTheTextCannotGive) {
    EXPECT_ERROR(ExitCode::usage, "257", trained("abc", 256));
    EXPECT_ERROR(ExitCode::usage, "gives only 259 tokens, not 300", trained("abc", 300));
    EXPECT_EQ(trained("abc", 257).vocab_size(), 257);
    EXPECT_EQ(trained("abc", 259).vocab_size(), 259);
}

TEST(BpeTrainer, MatchesTheTrainingVectors) {
    const std::string dir = shared_data("bpe-training");
    if (dir.empty()) {
        GTEST_SKIP() << "LRD_DATA is not set";
    }
    // The vectors put the special token first, we put it last.
    const Tokenizer tokenizer = trained(read_text(dir + "/corpus.en"), 500);
    test::TemporaryDirectory folder;
    tokenizer.save(folder.path());
    const std::string merges = read_text(folder / "merges.txt");
    const std::string expected = read_text(dir + "/train-bpe-reference-merges.txt");
    EXPECT_EQ(merges.substr(merges.find('\n') + 1),
              expected + (expected.back() == '\n' ? "" : "\n"));

    const std::string name = dir + "/train-bpe-reference-vocab.json";
    const Json reference = Json::parse(read_text(name), name);
    const Json ours = Json::parse(read_text(folder / "vocab.json"), "vocab.json");
    ASSERT_EQ(reference.size(), 500U);
    ASSERT_EQ(ours.size(), 500U);
    for (const auto& [token, id] : reference.as_object()) {
        const Json* found = ours.find(token);
        ASSERT_NE(found, nullptr) << token;
        EXPECT_EQ(found->as_int(), id.as_int() == 0 ? 499 : id.as_int() - 1) << token;
    }
}

}  // namespace
}  // namespace lrd
