// SPDX-License-Identifier: MIT
#include "data/tokenizer.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <sstream>

#include "data/bpe_trainer.hpp"
#include "data/pretokenizer.hpp"
#include "expect_error.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

using Ids = std::vector<std::int32_t>;

std::vector<std::string> pieces_of(std::string_view text) {
    std::vector<std::string> pieces;
    for_each_piece(text, [&](std::string_view piece) { pieces.emplace_back(piece); });
    return pieces;
}

Ids encode(const Tokenizer& tokenizer, std::string_view text) {
    Ids ids;
    Encoder(tokenizer).encode(text, ids);
    return ids;
}

/// The definition, word for word: in each piece, merge the pair of lowest rank, leftmost first.
Ids encode_slowly(const Tokenizer& tokenizer, std::string_view text) {
    Ids all;
    for (const std::string& piece : pieces_of(text)) {
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
    }
    return all;
}

Tokenizer trained(std::string_view text, std::int64_t vocab_size) {
    BpeTrainer trainer;
    trainer.add(text);
    return trainer.train(vocab_size);
}

std::string shared_data(const std::string& name) {
    const char* dir = std::getenv("LRD_DATA");
    return dir == nullptr ? "" : std::string(dir) + "/" + name;
}

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

TEST(Encoder, EncodesGpt2Vectors) {
    const std::string dir = shared_data("gpt2-bpe");
    if (dir.empty()) {
        GTEST_SKIP() << "LRD_DATA is not set";
    }
    const Tokenizer tokenizer = Tokenizer::load(dir);  // OpenAI's names
    test::TemporaryDirectory folder;
    tokenizer.save(folder.path());
    EXPECT_EQ(Tokenizer::load(folder.path()).sha256(), tokenizer.sha256());
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
        EXPECT_EQ(encode(tokenizer, text), expected) << line;
        EXPECT_EQ(tokenizer.decode(expected), text) << line;
    }
    EXPECT_GT(count, 30);
}

TEST(Encoder, ShortAndLongPiecesMergeLikeTheDefinition) {
    std::string text;
    std::uint32_t state = 7;
    for (int word = 0; word < 400; ++word) {
        const std::uint32_t length = word % 40 == 0 ? 300 : 1 + word % 9;
        for (std::uint32_t i = 0; i < length; ++i) {
            state = state * 1664525 + 1013904223;
            text += "aab"[(state >> 20) % 3];
        }
        text += ' ';
    }
    const Tokenizer tokenizer = trained(text, 400);
    EXPECT_EQ(encode(tokenizer, text), encode_slowly(tokenizer, text));
    EXPECT_EQ(tokenizer.decode(encode(tokenizer, text)), text);
}

TEST(Encoder, AMegabyteOfOneLetterTakesLessThanASecond) {
    for (const char letter : {'a', ' ', '=', '\n', '7'}) {
        const std::string text = std::string(1000000, letter) + "z";
        const Tokenizer tokenizer = trained(text, 270);
        const std::clock_t start = std::clock();  // of this process: other load does not count
        const Ids ids = encode(tokenizer, text);
        EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC) << letter;
        EXPECT_LT(ids.size(), 1000U) << letter;
        EXPECT_EQ(tokenizer.decode(ids), text);
    }
}

TEST(Tokenizer, SavesAndLoadsTheSame) {
    std::string text = "the theme thesis " + std::string("\x01\x7F \xC2\xAD \"\\ ") + "grüße 日本 ";
    text += text + text;
    const Tokenizer tokenizer = trained(text, 280);
    test::TemporaryDirectory folder;
    tokenizer.save(folder.path());
    const std::string vocab = read_text(folder / "vocab.json");
    const Tokenizer loaded = Tokenizer::load(folder.path());
    EXPECT_EQ(loaded.sha256(), tokenizer.sha256());
    EXPECT_EQ(loaded.end_of_text(), 279);
    EXPECT_EQ(encode(loaded, text), encode(tokenizer, text));
    std::string every_byte;
    for (int byte = 0; byte < 256; ++byte) {
        EXPECT_EQ(loaded.bytes_of(loaded.id_of_byte(static_cast<unsigned char>(byte))),
                  std::string(1, static_cast<char>(byte)));
    }
    loaded.save(folder.path());
    EXPECT_EQ(read_text(folder / "vocab.json"), vocab);
    EXPECT_NE(vocab.find("\"Ġthe\""), std::string::npos);
}

TEST(Tokenizer, RefusesBrokenFiles) {
    test::TemporaryDirectory good;
    trained("abab abab", 259).save(good.path());
    const std::string vocab = read_text(good / "vocab.json");
    const std::string merges = read_text(good / "merges.txt");
    const auto with = [](std::string text, const std::string& from, const std::string& to) {
        const std::size_t at = text.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        return text.replace(at, from.size(), to);
    };
    struct Case {
        std::string vocab, merges, part;
    };
    const std::vector<Case> cases = {
        {with(vocab, "\"!\": 0", "\"!\": 1"), merges, "each id from 0"},
        {with(vocab, "\"!\": 0", "\"!\": 999"), merges, "999"},
        {with(vocab, "\"!\": 0", "\"!!\": 0"), merges, "byte 33"},
        {with(vocab, "\"!\": 0", "\"日\": 0"), merges, "byte-to-unicode"},
        {with(vocab, "<|endoftext|>", "<|end|>"), merges, "<|endoftext|>"},
        {with(vocab, "\"!\": 0", "\"!\": \"x\""), merges, "! has id \"x\""},
        {with(vocab, "\"!\"", "\"$\""), merges, "$"},
        {vocab.substr(0, vocab.size() / 2), merges, "vocab.json"},
        {"[]", merges, "expected an object"},
        {with(vocab, "\"$\": 3", "\"!\": 3"), merges, "\"!\""},
        {vocab, merges + "ab\n", "merges.txt:4"},
        {vocab, merges + "x y\n", "merges.txt:4"},
        {vocab, merges + "a b c\n", "merges.txt:4"},
        {vocab, merges + " b\n", "merges.txt:4"},
        {vocab, merges + "a \xC4\n", "merges.txt:4"},  // half a character
        {vocab, merges + "a b\n", "same merge as in line 2"},
    };
    for (const Case& one : cases) {
        test::TemporaryDirectory folder;
        write_text_and_fsync(folder / "vocab.json", one.vocab);
        write_text_and_fsync(folder / "merges.txt", one.merges);
        EXPECT_ERROR(ExitCode::bad_data, one.part, Tokenizer::load(folder.path()));
    }
    EXPECT_ERROR(ExitCode::missing_input, "encoder.json", Tokenizer::load(good / "nowhere"));
    std::filesystem::remove(good / "merges.txt");
    EXPECT_ERROR(ExitCode::missing_input, "merges.txt", Tokenizer::load(good.path()));
}

TEST(Tokenizer, EndOfTextMayHaveAnyId) {
    test::TemporaryDirectory folder;
    trained("abab abab", 259).save(folder.path());
    std::string vocab = read_text(folder / "vocab.json");
    const std::string from = "<|endoftext|>\": 258", to = "<|endoftext|>\": 0";
    vocab.replace(vocab.find(from), from.size(), to);
    vocab.replace(vocab.find("\"!\": 0"), 6, "\"!\": 258");
    write_text_and_fsync(folder / "vocab.json", vocab);
    const std::string merges = read_text(folder / "merges.txt");
    write_text_and_fsync(folder / "merges.txt", merges.substr(merges.find('\n') + 1));
    const Tokenizer tokenizer = Tokenizer::load(folder.path());  // and without a #version line
    EXPECT_EQ(tokenizer.end_of_text(), 0);
    EXPECT_EQ(encode(tokenizer, "ab!"), (Ids{256, 258}));
    EXPECT_EQ(tokenizer.decode(Ids{0, 256}), "<|endoftext|>ab");
}

}  // namespace
}  // namespace lrd
