// SPDX-License-Identifier: MIT
#include "data/utf8.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace lrd {
namespace {

TEST(Utf8, EveryMaximalIllFormedPartBecomesOneReplacement) {
    // Expected: Python's bytes.decode("utf-8", errors="replace").
    const std::string r = "\xEF\xBF\xBD";
    struct Case {
        std::string bytes, text;
        int replaced;
    };
    const std::vector<Case> cases = {
        {"plain", "plain", 0},
        {"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x99\x82", "grüß € 🙂", 0},
        {"a\xFFz", "a" + r + "z", 1},
        {"\xC3", r, 1},
        {"\xE2\x82", r, 1},
        {"\xE2\x82z", r + "z", 1},
        {"\xF0\x9F\x99!", r + "!", 1},
        {"\xC0\xAF", r + r, 2},                  // overlong '/'
        {"\xE0\x80\x80", r + r + r, 3},          // overlong NUL
        {"\xED\xA0\x80", r + r + r, 3},          // a surrogate
        {"\xF4\x90\x80\x80", r + r + r + r, 4},  // above U+10FFFF
        {"\x80\x80", r + r, 2},
        {std::string("\0x", 2), std::string("\0x", 2), 0},
    };
    for (const Case& one : cases) {
        std::string text = one.bytes;
        EXPECT_EQ(replace_invalid_utf8(text), one.replaced) << one.text;
        EXPECT_EQ(text, one.text);
    }
}

TEST(Utf8, AStreamGivesTheSameTextInWholeCharacters) {
    std::mt19937 random(1);
    const std::vector<std::string> parts = {"a",    "é",    "€",    "🙂", "\xF0", "\x9F",
                                            "\xE2", "\x82", "\xC3", "\xFF", "\xED", "\xA0"};
    for (int round = 0; round < 2000; ++round) {
        std::string bytes;
        for (int i = 0; i < 12; ++i) {
            bytes += parts[random() % parts.size()];
        }
        Utf8Stream stream;
        std::string joined;
        const auto add = [&](std::string part) {
            joined += part;
            EXPECT_EQ(replace_invalid_utf8(part), 0);
        };
        for (std::size_t at = 0, size = 0; at < bytes.size(); at += size) {
            size = random() % 4;
            add(stream.push(std::string_view(bytes).substr(at, size)));
        }
        add(stream.finish());
        const std::int64_t replaced = replace_invalid_utf8(bytes);
        ASSERT_EQ(joined, bytes);
        ASSERT_EQ(stream.replaced(), replaced);
    }
    Utf8Stream stream;
    EXPECT_EQ(stream.push("x\xF0\x9F"), "x");
    EXPECT_EQ(stream.push("\x99"), "");
    EXPECT_EQ(stream.push("\x82"), "🙂");  // as soon as it is whole
    EXPECT_EQ(stream.push("y€"), "y€");
    EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace lrd
