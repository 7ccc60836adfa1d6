// SPDX-License-Identifier: MIT
#include "data/pretokenizer.hpp"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "data/character_class.hpp"
#include "data/utf8.hpp"
#include "split_pattern.hpp"

namespace lrd {
namespace {

using Pieces = std::vector<std::string>;

Pieces pieces_of(std::string_view text) {
    Pieces pieces;
    for_each_piece(text, [&](std::string_view piece) { pieces.emplace_back(piece); });
    return pieces;
}

std::string from_code_point(std::uint32_t code_point) {
    std::string text;
    append_utf8(text, code_point);
    return text;
}

/// Texts in which everything that the pattern tells apart meets everything else.
class RandomText {
public:
    explicit RandomText(unsigned seed) : random_(seed) {}

    std::string operator()(int parts) {
        std::string text;
        for (int i = 0; i < parts; ++i) {
            text += random_() % 8 == 0 ? any_character() : known[random_() % known.size()];
        }
        return text;
    }

private:
    std::string any_character() {
        static constexpr std::uint32_t ends[] = {0x300, 0x3000, 0x10000, 0x110000};
        for (;;) {
            const auto code_point = static_cast<std::uint32_t>(random_()) % ends[random_() % 4];
            if (code_point < 0xD800 || code_point > 0xDFFF) {
                return from_code_point(code_point);
            }
        }
    }

    static inline const Pieces known = {
        "a", "Z", "s", "ll", "re", "e", "'", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S",
        "\u2019", "\u02BC", "7", "12", "½", "Ⅷ", "٣", "²", "!", "...", "_", "-", "^", "é",
        "e\u0301", "\u0301", "日本", "क्षि", "ไทย", "🙂", "👨\u200D👩", "\uFE0F",
        // blanks and line ends of every kind, and three that are none
        " ", " ", " ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\v", "\f", "\u0085", "\u00A0",
        "\u1680", "\u2003", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000", "\u180E", "\u200B",
        "\uFEFF", std::string(1, '\0'), "\x1C", "\x7F"};
    std::mt19937 random_;
};

TEST(Pretokenizer, CutsLikeGpt2) {
    EXPECT_EQ(pieces_of("Hello world"), (Pieces{"Hello", " world"}));
    EXPECT_EQ(pieces_of("I'll don't WE'LL"), (Pieces{"I", "'ll", " don", "'t", " WE", "'", "LL"}));
    EXPECT_EQ(pieces_of("a  b   \n"), (Pieces{"a", " ", " b", "   \n"}));
    EXPECT_EQ(pieces_of("x12 34,5"), (Pieces{"x", "12", " 34", ",", "5"}));
    EXPECT_EQ(pieces_of("\n\n = A = \n"), (Pieces{"\n\n", " =", " A", " =", " \n"}));
    EXPECT_EQ(pieces_of("né 日本 ½"), (Pieces{"né", " 日本", " ½"}));
    EXPECT_EQ(pieces_of("a\u00A0\u2003b"), (Pieces{"a", "\u00A0", "\u2003", "b"}));
    EXPECT_EQ(pieces_of("!\u180Ex"), (Pieces{"!\u180E", "x"}));  // no white space since Unicode 6.3
    EXPECT_TRUE(pieces_of("").empty());
}

TEST(Pretokenizer, EqualsThePatternOnRandomText) {
    RandomText text_of(1);
    for (int round = 0; round < 20000; ++round) {
        const std::string text = text_of(1 + round % 16);
        ASSERT_EQ(pieces_of(text), test::pieces_by_pattern(text)) << text;
    }
}

TEST(Pretokenizer, EqualsThePatternOnEveryAssignedCodePoint) {
    // Behind a letter and before a number, so that every class gives other pieces.
    std::string text;
    const std::uint32_t last = 0x10FFFD;
    for (std::uint32_t code_point = 0; code_point <= last; ++code_point) {
        if (code_point == 0xD800) {
            code_point = 0xE000;  // no surrogates
        }
        if (code_point < 0x34000 || code_point % 101 == 0) {  // beyond lie private and unused ones
            const std::string character = from_code_point(code_point);
            text.append("a").append(character).append("1").append(character).append("! ");
        }
        if (text.size() > 100000 || code_point == last) {
            ASSERT_EQ(pieces_of(text), test::pieces_by_pattern(text)) << code_point;
            text.clear();
        }
    }
}

TEST(Pretokenizer, ThreadsMayMeetACharacterAtTheSameTime) {
    std::vector<std::thread> threads;
    std::vector<int> letters(4, 0);
    for (int& count : letters) {
        threads.emplace_back([&count] {
            for (std::uint32_t code_point = 0x10000; code_point < 0x20000; ++code_point) {
                count += class_of(code_point) == CharacterClass::letter ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_GT(letters[0], 1000);
    EXPECT_EQ(letters, std::vector<int>(4, letters[0]));
}

TEST(CertainBorder, LiesAtTheLastChangeThatNothingCanUndo) {
    EXPECT_EQ(last_certain_border("one two"), 3U);
    EXPECT_EQ(last_certain_border("one two "), 7U);
    EXPECT_EQ(last_certain_border("one two \n"), 7U);
    EXPECT_EQ(last_certain_border("one  two"), 3U);  // the second blank depends on the first
    EXPECT_EQ(last_certain_border("we'"), 2U);
    EXPECT_EQ(last_certain_border("we'l"), 2U);  // may become 'll
    EXPECT_EQ(last_certain_border("日本2"), 6U);
    EXPECT_EQ(last_certain_border("word"), 0U);
    EXPECT_EQ(last_certain_border("    word"), 0U);
    EXPECT_EQ(last_certain_border(""), 0U);
}

TEST(CertainBorder, PartsGiveThePiecesOfTheWhole) {
    RandomText text_of(2);
    int cut = 0;
    for (int round = 0; round < 20000; ++round) {
        const std::string start = text_of(1 + round % 12);
        const std::string whole = start + text_of(round % 6);
        const std::size_t border = last_certain_border(start);
        ASSERT_LE(border, start.size());
        Pieces parts = pieces_of(std::string_view(whole).substr(0, border));
        for (std::string& piece : pieces_of(std::string_view(whole).substr(border))) {
            parts.push_back(std::move(piece));
        }
        ASSERT_EQ(parts, pieces_of(whole)) << start << "|" << whole;
        cut += border > 0 ? 1 : 0;
    }
    EXPECT_GT(cut, 14000);
}

}  // namespace
}  // namespace lrd
