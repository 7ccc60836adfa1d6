// SPDX-License-Identifier: MIT
// Where documents are cut, whatever parts a file is looked through in; text in blocks.
#include <gtest/gtest.h>

#include <numeric>

#include "data/pretokenizer.hpp"
#include "data/text_source.hpp"
#include "data/utf8.hpp"
#include "expect_error.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

using Texts = std::vector<std::string>;

/// The documents of a text; the same for every size of the parts.
Texts cut(const std::string& text, DocumentRule rule) {
    const test::TemporaryDirectory dir;
    write_text_and_fsync(dir / "text", text);
    ByteReader file(dir / "text");
    const FileFacts facts = look_at(file, rule, false);
    Texts first;
    for (const std::int64_t part : {1 << 20, 1, 2, 3, 5, 17}) {
        Texts texts;
        for (std::int64_t at = 0; at < file.size(); at += part) {
            find_documents(file, facts, at, std::min(at + part, file.size()),
                           [&](std::int64_t begin, std::int64_t end) {
                               texts.push_back(text.substr(static_cast<std::size_t>(begin),
                                                           static_cast<std::size_t>(end - begin)));
                           });
        }
        if (rule != DocumentRule::jsonl) {
            EXPECT_EQ(std::accumulate(texts.begin(), texts.end(), std::string()), text);
        }
        first = part == 1 << 20 ? texts : first;
        EXPECT_EQ(texts, first) << "in parts of " << part;
    }
    return first;
}

TEST(Documents, BlankLinesBelongToTheDocumentBeforeThem) {
    EXPECT_EQ(cut("a\nb\n\nc\n \t\n\nd", DocumentRule::blank_line),
              (Texts{"a\nb\n\n", "c\n \t\n\n", "d"}));
    EXPECT_EQ(cut("\n\na\n\n", DocumentRule::blank_line), (Texts{"\n\na\n\n"}));
    EXPECT_EQ(cut("a\r\n\r\nb\r\n", DocumentRule::blank_line), (Texts{"a\r\n\r\n", "b\r\n"}));
    EXPECT_EQ(cut("\n \n", DocumentRule::blank_line), (Texts{"\n \n"}));
    EXPECT_TRUE(cut("", DocumentRule::blank_line).empty());
    EXPECT_EQ(cut("a\n\nb", DocumentRule::file), (Texts{"a\n\nb"}));
}

TEST(Documents, WikitextIsCutAtTitlesBetweenBlankLines) {
    const std::string first =
        " \n = One = \n \n text\n = not a title = \n text\n \n = = Section = = \n \n x\n \n";
    const std::string second = " \n = Two = \n \n y\n";
    EXPECT_EQ(cut(first + second, DocumentRule::wikitext), (Texts{first, second}));
    EXPECT_EQ(cut(" = One = \n\nx\n", DocumentRule::wikitext), (Texts{" = One = \n\nx\n"}));
    EXPECT_EQ(cut(" = One = \n\nx\n" + second, DocumentRule::wikitext),
              (Texts{" = One = \n\nx\n", second}));
    EXPECT_EQ(cut("preface\n" + first, DocumentRule::wikitext), (Texts{"preface\n" + first}));
    EXPECT_EQ(cut("preface\n" + first + second, DocumentRule::wikitext),
              (Texts{"preface\n" + first, second}));
    EXPECT_EQ(cut("no title at all\n", DocumentRule::wikitext), (Texts{"no title at all\n"}));
    EXPECT_EQ(cut(first + " \n = Last", DocumentRule::wikitext), (Texts{first + " \n = Last"}));
}

TEST(Documents, JsonlHasOnePerLine) {
    EXPECT_EQ(cut("{\"text\": 1}\n\n  \n{}\nlast", DocumentRule::jsonl),
              (Texts{"{\"text\": 1}\n", "{}\n", "last"}));
}

/// Lines over the borders of windows and parts.
TEST(Documents, LongLinesAreCutTheSame) {
    const test::TemporaryDirectory dir;
    std::string text;
    std::vector<std::int64_t> begins = {0};
    for (int i = 0; i < 12; ++i) {
        text += std::string(static_cast<std::size_t>(i) * 100000 + 1, 'x') + "\n" +
                std::string(static_cast<std::size_t>(i) * 30000, ' ') + "\n";
        begins.push_back(std::ssize(text));
    }
    write_text_and_fsync(dir / "text", text + "end");
    ByteReader file(dir / "text");
    const FileFacts facts = look_at(file, DocumentRule::blank_line, false);
    std::vector<std::int64_t> found;
    for (std::int64_t at = 0; at < file.size(); at += 50000) {
        find_documents(file, facts, at, std::min<std::int64_t>(at + 50000, file.size()),
                       [&](std::int64_t begin, std::int64_t) { found.push_back(begin); });
    }
    EXPECT_EQ(found, begins);
}

TEST(Documents, AutoDecidesByTheFirstLine) {
    const test::TemporaryDirectory dir;
    const auto rule_of = [&](const std::string& text, bool fraction) {
        write_text_and_fsync(dir / "text", text);
        ByteReader file(dir / "text");
        return look_at(file, DocumentRule::automatic, fraction).rule;
    };
    EXPECT_EQ(rule_of(" \n\n = One = \nx", true), DocumentRule::wikitext);
    EXPECT_EQ(rule_of(" \n = = One = = \nx", false), DocumentRule::file);
    EXPECT_EQ(rule_of(" \n = = odd = \nx", false), DocumentRule::file);
    EXPECT_EQ(rule_of("x\n = One = \n", false), DocumentRule::file);
    EXPECT_EQ(rule_of("x\n = One = \n", true), DocumentRule::blank_line);
    EXPECT_EQ(rule_of(" \n", false), DocumentRule::file);
    EXPECT_EQ(rule_of("", false), DocumentRule::file);
    EXPECT_ERROR(ExitCode::usage, "blank-line", document_rule("lines"));
}

TextSizes measured(const std::string& text, std::size_t block) {
    TextMeter meter;
    for (std::size_t at = 0; at < text.size(); at += block) {
        meter.add(std::string_view(text).substr(at, block));
    }
    return meter.sizes();
}

TEST(Documents, WordsCountTheLineEnds) {
    EXPECT_EQ(measured(" = A = \n \n one  two\tthree\n", 3).words, 3 + 3 + 3);
    EXPECT_EQ(measured("no end", 1).words, 2);
    EXPECT_EQ(measured("", 1).words, 0);
    const std::string unknown = "<unk> a<unk> <unk>, <unk\n<unk>\t<<unk> <unk><unk> <unk>";
    for (const std::size_t block : {1U, 2U, 3U, 7U, 100U}) {
        EXPECT_EQ(measured(unknown, block).unknown, 3) << block;
        EXPECT_EQ(measured(unknown, block), measured(unknown, 100));
    }
}

/// A document larger than the parts it is read in, with a piece larger than a part.
TEST(Documents, HugeOnesComeInPartsWithTheSamePieces) {
    const test::TemporaryDirectory dir;
    std::string text;
    while (text.size() < 4'000'000) {
        text += "some words,  " + std::to_string(text.size()) + " of them\xF0\x9F\x98\n\n";
    }
    text.insert(500'000, std::string(2'500'000, 'x'));
    write_text_and_fsync(dir / "text", text);
    std::vector<TextSource> sources(1);
    sources[0].name = sources[0].path = dir / "text";
    DocumentReader reader(sources, "");
    const Document document = reader.measure(0, 0, std::ssize(text));
    Texts parts;
    read_in_parts(reader, document, [&](std::string_view part) { parts.emplace_back(part); });
    EXPECT_GE(parts.size(), 3U);
    EXPECT_EQ(replace_invalid_utf8(text), document.sizes.replaced);
    EXPECT_TRUE(std::accumulate(parts.begin(), parts.end(), std::string()) == text);
    EXPECT_EQ(document.sizes.bytes, std::ssize(text));
    EXPECT_EQ(document.hash.hex(), xxh3_128(text.data(), text.size()));
    Texts pieces;
    for (const std::string& part : parts) {
        for_each_piece(part, [&](std::string_view piece) { pieces.emplace_back(piece); });
    }
    Texts whole;
    for_each_piece(text, [&](std::string_view piece) { whole.emplace_back(piece); });
    EXPECT_TRUE(pieces == whole);
}

TEST(Documents, NoPieceIsTooLongToMerge) {
    const test::TemporaryDirectory dir;
    const std::string text = "fine\n" + std::string(6'000'000, 'x') + "\n";
    write_text_and_fsync(dir / "text", text);
    std::vector<TextSource> sources(1);
    sources[0].name = sources[0].path = dir / "text";
    DocumentReader reader(sources, "");
    const Document document = reader.measure(0, 5, std::ssize(text));
    EXPECT_ERROR(ExitCode::bad_data, "text:2: more than 4 MiB of one kind of character",
                 read_in_parts(reader, document, [](std::string_view) {}));
}

/// Halves of a UTF-16 pair, as writers leave them where a text was cut.
TEST(Documents, LoneSurrogatesOfJsonAreReplaced) {
    const test::TemporaryDirectory dir;
    const std::string line = R"({"text": "\ud83d\ude00 \ud83d \ude00\ud83d\\ud83d \uD83Dx"})";
    write_text_and_fsync(dir / "text", line);
    std::vector<TextSource> sources(1);
    sources[0].name = sources[0].path = dir / "text";
    sources[0].facts.rule = DocumentRule::jsonl;
    sources[0].facts.size = std::ssize(line);
    DocumentReader reader(sources, "text");
    std::string text;
    EXPECT_EQ(
        reader.read(0, 0, std::ssize(line), [&](std::string_view part, bool) { text += part; }), 4);
    EXPECT_EQ(text, "\U0001F600 \uFFFD \uFFFD\uFFFD\\ud83d \uFFFDx");
}

}  // namespace
}  // namespace lrd
