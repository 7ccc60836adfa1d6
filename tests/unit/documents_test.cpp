// SPDX-License-Identifier: MIT
#include "data/documents.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <set>

#include "expect_error.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

using Texts = std::vector<std::string>;

Texts cut(std::string_view text, DocumentRule rule) {
    const auto documents = cut_documents(text, rule);
    Texts texts(documents.begin(), documents.end());
    EXPECT_EQ(std::accumulate(texts.begin(), texts.end(), std::string()), text);
    return texts;
}

Texts texts_of(const Split& split) { return {split.documents.begin(), split.documents.end()}; }

/// `count` paragraphs of different lengths with blank lines between.
std::string paragraphs(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
        text += "paragraph " + std::to_string(i) +
                std::string(static_cast<std::size_t>(i % 7), '.') + "\nsecond line\n\n";
    }
    return text;
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
    EXPECT_EQ(cut("preface\n" + first, DocumentRule::wikitext), (Texts{"preface\n" + first}));
    EXPECT_EQ(cut("no title at all\n", DocumentRule::wikitext), (Texts{"no title at all\n"}));
    EXPECT_TRUE(starts_with_heading(" \n\n = One = \nx"));
    EXPECT_FALSE(starts_with_heading(" \n = = One = = \nx"));
    EXPECT_FALSE(starts_with_heading(" \n = = odd = \nx"));
    EXPECT_FALSE(starts_with_heading("x\n = One = \n"));
    EXPECT_FALSE(starts_with_heading(" \n"));
}

TEST(Documents, WordsCountTheLineEnds) {
    EXPECT_EQ(count_words(" = A = \n \n one  two\tthree\n"), 3 + 3 + 3);
    EXPECT_EQ(count_words("no end"), 2);
    EXPECT_EQ(count_words(""), 0);
}

TEST(Documents, WikiText2HasItsPublishedFigures) {
    const char* data = std::getenv("LRD_DATA");
    if (data == nullptr) {
        GTEST_SKIP() << "LRD_DATA is not set";
    }
    const std::string dir = std::string(data) + "/wikitext-2/wiki.";
    const Corpus corpus({dir + "train.tokens"}, DocumentRule::automatic,
                        {{"val", dir + "valid.tokens"}, {"test", dir + "test.tokens"}});
    const std::size_t documents[] = {600, 60, 60};
    const std::int64_t words[] = {2088628, 217646, 245569};
    for (std::size_t s = 0; s < 3; ++s) {
        const Split& split = corpus.splits()[s];
        EXPECT_EQ(split.documents.size(), documents[s]) << split.name;
        EXPECT_EQ(split.rule, "wikitext");
        std::int64_t sum = 0;
        for (const std::string_view document : split.documents) {
            sum += count_words(document);
        }
        EXPECT_EQ(sum, words[s]) << split.name;
    }
}

TEST(Corpus, AutoDecidesByFile) {
    test::TemporaryDirectory dir;
    write_text_and_fsync(dir / "wiki", " \n = One = \n \n x\n \n \n = Two = \n \n y\n");
    write_text_and_fsync(dir / "plain", "a\n\nb\n\nc\n");
    const auto count = [](const Corpus& corpus) { return corpus.splits()[0].documents.size(); };
    EXPECT_EQ(count(Corpus({dir / "wiki"}, DocumentRule::automatic, {})), 2U);
    EXPECT_EQ(count(Corpus({dir / "plain"}, DocumentRule::automatic, {})), 1U);
    EXPECT_EQ(count(Corpus({dir / "plain"}, DocumentRule::automatic, {{"val", "0"}})), 1U);
    EXPECT_EQ(count(Corpus({dir / "plain"}, DocumentRule::automatic, {{"val", "0.01"}})), 2U);
    write_text_and_fsync(dir / "other", "d\n\ne\n");
    EXPECT_EQ(
        count(Corpus({dir / "plain", dir / "other"}, DocumentRule::automatic, {{"val", "0.01"}})),
        1U);  // one of the two files is val
    const Corpus both({dir / "wiki", dir / "plain"}, DocumentRule::automatic, {});
    EXPECT_EQ(count(both), 3U);
    EXPECT_EQ(both.splits()[0].rule, "file+wikitext");
}

TEST(Corpus, FractionsTakeTheirShareAndKeepTheOrder) {
    test::TemporaryDirectory dir;
    const std::string text = paragraphs(500);
    write_text_and_fsync(dir / "text", text);
    const Corpus corpus({dir / "text"}, DocumentRule::automatic,
                        {{"val", "0.1"}, {"probe", "0.05"}, {"none", "0"}, {"test", "1e-9"}});
    ASSERT_EQ(corpus.splits().size(), 4U);
    const double share[] = {0.85, 0.1, 0.05, 0.0};
    std::multiset<std::string> all;
    for (std::size_t s = 0; s < 4; ++s) {
        const Split& split = corpus.splits()[s];
        EXPECT_NEAR(static_cast<double>(split.bytes) / static_cast<double>(text.size()), share[s],
                    0.01);
        const Texts texts = texts_of(split);
        all.insert(texts.begin(), texts.end());
        std::size_t at = 0;
        for (const std::string& one : texts) {  // in the order of the text
            at = text.find(one, at);
            ASSERT_NE(at, std::string::npos) << split.name;
        }
    }
    EXPECT_EQ(corpus.splits()[3].documents.size(), 1U);
    const Texts whole = cut(text, DocumentRule::blank_line);
    EXPECT_EQ(all, std::multiset<std::string>(whole.begin(), whole.end()));
}

TEST(Corpus, EqualDocumentsStayTogether) {
    test::TemporaryDirectory dir;
    std::string text;
    for (int i = 0; i < 40; ++i) {
        text += "refrain " + std::to_string(i % 4) + "\n\n";
    }
    write_text_and_fsync(dir / "text", text);
    const Corpus corpus({dir / "text"}, DocumentRule::blank_line, {{"val", "0.3"}});
    EXPECT_EQ(corpus.splits()[0].documents.size(), 20U);
    EXPECT_EQ(corpus.splits()[1].documents.size(), 20U);
}

TEST(Corpus, CountsWhatItReplaced) {
    test::TemporaryDirectory dir;
    write_text_and_fsync(dir / "text", "a\xFF b\xC3\n");
    const Corpus corpus({dir / "text"}, DocumentRule::file, {});
    EXPECT_EQ(corpus.replaced(), 2);
    EXPECT_EQ(texts_of(corpus.splits()[0]), (Texts{"a\uFFFD b\uFFFD\n"}));
}

TEST(Corpus, RefusesWhatCannotBeDivided) {
    test::TemporaryDirectory dir;
    write_text_and_fsync(dir / "text", paragraphs(20));
    write_text_and_fsync(dir / "one", "only one\n");
    write_text_and_fsync(dir / "other", "new\n\n" + paragraphs(3));
    write_text_and_fsync(dir / "empty", "");
    const auto make = [&](const std::string& file, std::vector<SplitRequest> requests) {
        Corpus({dir / file}, DocumentRule::blank_line, requests);
    };
    EXPECT_ERROR(ExitCode::usage, "0 and below 1", make("text", {{"val", "1"}}));
    EXPECT_ERROR(ExitCode::usage, "0 and below 1", make("text", {{"val", "-0.1"}}));
    EXPECT_ERROR(ExitCode::usage, "add up to 1.1", make("text", {{"a", "0.6"}, {"b", "0.5"}}));
    EXPECT_ERROR(ExitCode::usage, "asked for twice", make("text", {{"a", "0.1"}, {"a", "0"}}));
    EXPECT_ERROR(ExitCode::usage, "--split train", make("text", {{"train", "0.1"}}));
    EXPECT_ERROR(ExitCode::usage, "1 to 64 letters", make("text", {{"../x", "0.1"}}));
    EXPECT_ERROR(ExitCode::usage, "too few", make("one", {{"val", "0.1"}}));
    EXPECT_ERROR(ExitCode::missing_input, "nowhere", make("nowhere", {}));
    EXPECT_ERROR(ExitCode::missing_input, "nowhere", make("text", {{"val", dir / "nowhere"}}));
    EXPECT_ERROR(ExitCode::bad_data, "empty", make("empty", {}));
    EXPECT_ERROR(ExitCode::bad_data, "paragraph 0", make("text", {{"val", dir / "other"}}));
    EXPECT_ERROR(ExitCode::bad_data, "split train", make("text", {{"val", dir / "text"}}));
    EXPECT_ERROR(ExitCode::usage, "blank-line", document_rule("lines"));
    EXPECT_ERROR(ExitCode::usage, "--text", Corpus({}, DocumentRule::file, {}));
}

}  // namespace
}  // namespace lrd
