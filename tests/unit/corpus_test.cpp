// SPDX-License-Identifier: MIT
// Files → documents → splits → shards.
#include "data/corpus.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "comm/silent_world.hpp"
#include "expect_error.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

using Texts = std::vector<std::string>;

/// A corpus that has been divided.
struct Divided {
    test::TemporaryDirectory scratch;
    SilentWorld world{1, 1};
    Team team{world, 2};
    std::unique_ptr<Corpus> corpus;

    Divided(std::vector<std::string> text, DocumentRule rule, std::vector<SplitRequest> requests,
            bool dedup = false) {
        corpus = std::make_unique<Corpus>(
            team, CorpusOptions{std::move(text), rule, "text", split_aims(requests), dedup},
            scratch.path());
        corpus->look();
        corpus->scan();
        corpus->divide();
    }
    const SplitTotal& total(std::size_t split) const { return corpus->plan().splits[split]; }
    Texts texts(std::size_t split) const {
        DocumentReader reader(corpus->sources(), "text");
        Texts texts;
        for_each_document(SplitPlan::list_path(scratch.path(), static_cast<std::int64_t>(split)), 0,
                          total(split).documents, [&](const Document& document) {
                              texts.emplace_back();
                              read_in_parts(reader, document,
                                            [&](std::string_view part) { texts.back() += part; });
                          });
        return texts;
    }
};

Texts sorted(Texts texts) {
    std::sort(texts.begin(), texts.end());
    return texts;
}

/// `count` paragraphs of different lengths with blank lines between.
Texts paragraphs(int count) {
    Texts texts;
    for (int i = 0; i < count; ++i) {
        texts.push_back("paragraph " + std::to_string(i) +
                        std::string(static_cast<std::size_t>(i % 7), '.') + "\nsecond line\n\n");
    }
    return texts;
}

std::string joined(const Texts& texts) {
    std::string all;
    for (const std::string& text : texts) {
        all += text;
    }
    return all;
}

TEST(Corpus, FractionsTakeTheirShareAndKeepTheOrder) {
    test::TemporaryDirectory dir;
    const std::string text = joined(paragraphs(500));
    write_text_and_fsync(dir / "text", text);
    const Divided corpus({dir / "text"}, DocumentRule::automatic,
                         {{"val", "0.1"}, {"probe", "0.05"}, {"none", "0"}, {"test", "1e-9"}});
    const double share[] = {0.85, 0.1, 0.05, 0.0};
    Texts all;
    for (std::size_t s = 0; s < 4; ++s) {
        EXPECT_NEAR(
            static_cast<double>(corpus.total(s).sizes.bytes) / static_cast<double>(text.size()),
            share[s], 0.01);
        std::size_t at = 0;
        for (const std::string& one : corpus.texts(s)) {  // in the order of the text
            at = text.find(one, at);
            ASSERT_NE(at, std::string::npos) << s;
            all.push_back(one);
        }
    }
    EXPECT_EQ(corpus.total(3).documents, 1);
    EXPECT_EQ(sorted(all), sorted(paragraphs(500)));
    EXPECT_EQ(corpus.corpus->rule_of(1), "blank-line");
}

TEST(Corpus, FractionsAreTheSmallestHashes) {
    test::TemporaryDirectory dir;
    Texts texts = paragraphs(300);
    write_text_and_fsync(dir / "text", joined(texts));
    const Divided corpus({dir / "text"}, DocumentRule::blank_line, {{"val", "0.2"}});
    std::sort(texts.begin(), texts.end(), [](const std::string& a, const std::string& b) {
        return xxh3_128(a.data(), a.size()) < xxh3_128(b.data(), b.size());
    });
    double bytes = 0.0;
    std::size_t taken = 0;
    for (; bytes < 0.2 * static_cast<double>(joined(texts).size()); ++taken) {
        bytes += static_cast<double>(texts[taken].size());
    }
    texts.resize(taken);
    EXPECT_EQ(sorted(corpus.texts(1)), sorted(texts));
}

TEST(Corpus, OrderOfFilesDoesNotMatter) {
    test::TemporaryDirectory dir;
    const Texts texts = paragraphs(200);
    write_text_and_fsync(dir / "a", joined({texts.begin(), texts.begin() + 90}));
    write_text_and_fsync(dir / "b", joined({texts.begin() + 90, texts.end()}));
    const Divided ab({dir / "a", dir / "b"}, DocumentRule::blank_line,
                     {{"x", "0.2"}, {"y", "0.1"}});
    const Divided ba({dir / "b", dir / "a"}, DocumentRule::blank_line,
                     {{"x", "0.2"}, {"y", "0.1"}});
    for (std::size_t s = 0; s < 3; ++s) {
        EXPECT_EQ(sorted(ab.texts(s)), sorted(ba.texts(s)));
    }
}

TEST(Corpus, EqualDocumentsStayTogether) {
    test::TemporaryDirectory dir;
    std::string text;
    for (int i = 0; i < 40; ++i) {
        text += "refrain " + std::to_string(i % 4) + "\n\n";
    }
    write_text_and_fsync(dir / "text", text);
    const Divided corpus({dir / "text"}, DocumentRule::blank_line, {{"val", "0.3"}});
    EXPECT_EQ(corpus.total(0).documents, 20);
    EXPECT_EQ(corpus.total(1).documents, 20);
    const Divided once({dir / "text"}, DocumentRule::blank_line, {{"val", "0.3"}}, true);
    EXPECT_EQ(once.total(0).documents, 2);
    EXPECT_EQ(once.total(1).documents, 2);
    EXPECT_EQ(once.total(0).duplicates + once.total(1).duplicates, 36);
}

TEST(Corpus, DedupKeepsTheFirstAndTheSplitsOwn) {
    test::TemporaryDirectory dir;
    write_text_and_fsync(dir / "text", "a\n\nb\n\na\n\nc\n\nd\n\n");
    write_text_and_fsync(dir / "val", "c\n\nx\n\n");
    const Divided corpus({dir / "text"}, DocumentRule::blank_line, {{"val", dir / "val"}}, true);
    EXPECT_EQ(corpus.texts(0), (Texts{"a\n\n", "b\n\n", "d\n\n"}));
    EXPECT_EQ(corpus.texts(1), (Texts{"c\n\n", "x\n\n"}));
    EXPECT_EQ(corpus.total(0).duplicates, 2);
}

TEST(Corpus, JsonlGivesTheStrings) {
    test::TemporaryDirectory dir;
    write_text_and_fsync(
        dir / "text",
        "{\"id\": 1, \"text\": \"one\\n\\u00e9 \\ud83d\\ude00\"}\n\n{\"text\": \"\"}\n"
        "{\"text\": \"bad \xFF\"}");
    const Divided corpus({dir / "text"}, DocumentRule::jsonl, {});
    EXPECT_EQ(corpus.texts(0), (Texts{"one\n\u00E9 \U0001F600", "", "bad \uFFFD"}));
    EXPECT_EQ(corpus.total(0).sizes.replaced, 1);
    const auto refused = [&](const std::string& line, const std::string& words) {
        write_text_and_fsync(dir / "bad", "{\"text\": \"good\"}\n\n" + line + "\n");
        EXPECT_ERROR(ExitCode::bad_data, words, Divided({dir / "bad"}, DocumentRule::jsonl, {}));
    };
    refused("{\"text\": \"cut", "bad:3");
    refused("{\"txt\": \"x\"}", "bad:3: the object has no key \"text\"");
    refused("{\"text\": 7}", "bad:3: the value of \"text\" is no text");
    refused("[1]", "bad:3: the line is no JSON object");
    refused("{\"text\": \"a\", \"text\": \"b\"}", "bad:3");
    refused(std::string(17 << 20, ' ') + "x", "bad:3: the line has");
}

TEST(Corpus, CountsWhatItReplaced) {
    test::TemporaryDirectory dir;
    write_text_and_fsync(dir / "text", "a\xFF b\xC3\n");
    const Divided corpus({dir / "text"}, DocumentRule::file, {});
    EXPECT_EQ(corpus.total(0).sizes.replaced, 2);
    EXPECT_EQ(corpus.texts(0), (Texts{"a\uFFFD b\uFFFD\n"}));
}

TEST(Corpus, ShardsFollowTheBytesOfText) {
    test::TemporaryDirectory dir;
    std::string text;
    for (int i = 0; i < 60; ++i) {
        text += std::to_string(i) + std::string(99'000, 'x') + "\n\n";
    }
    write_text_and_fsync(dir / "text", text);
    const Divided corpus({dir / "text"}, DocumentRule::blank_line, {});
    const std::vector<ShardPlan>& shards = corpus.corpus->plan().shards;
    ASSERT_EQ(shards.size(), 10U);  // six documents reach 512 KiB
    for (std::size_t i = 0; i < shards.size(); ++i) {
        EXPECT_EQ(shards[i].documents, 6);
        EXPECT_EQ(shards[i].first, static_cast<std::int64_t>(6 * i));
        EXPECT_EQ(shards[i].shards, 10);
    }
}

TEST(Corpus, WorkIsSpreadBySize) {
    EXPECT_EQ(spread({1, 9, 5, 5}, 2), (std::vector<int>{0, 0, 1, 1}));
    EXPECT_EQ(spread({}, 3), std::vector<int>{});
}

TEST(Corpus, RefusesWhatCannotBeDivided) {
    test::TemporaryDirectory dir;
    write_text_and_fsync(dir / "text", joined(paragraphs(20)));
    write_text_and_fsync(dir / "one", "only one\n");
    write_text_and_fsync(dir / "other", "new\n\n" + joined(paragraphs(3)));
    write_text_and_fsync(dir / "empty", "");
    const auto make = [&](const std::string& file, std::vector<SplitRequest> requests) {
        Divided({dir / file}, DocumentRule::blank_line, requests);
    };
    EXPECT_ERROR(ExitCode::usage, "0 and below 1", make("text", {{"val", "1"}}));
    EXPECT_ERROR(ExitCode::usage, "0 and below 1", make("text", {{"val", "-0.1"}}));
    EXPECT_ERROR(ExitCode::usage, "add up to 1.1", make("text", {{"a", "0.6"}, {"b", "0.5"}}));
    EXPECT_ERROR(ExitCode::usage, "asked for twice", make("text", {{"a", "0.1"}, {"a", "0"}}));
    EXPECT_ERROR(ExitCode::usage, "--split train", make("text", {{"train", "0.1"}}));
    EXPECT_ERROR(ExitCode::usage, "1 to 64 letters", make("text", {{"../x", "0.1"}}));
    EXPECT_ERROR(ExitCode::usage, "too few", make("one", {{"val", "0.1"}}));
    EXPECT_ERROR(ExitCode::missing_input, "nowhere", make("nowhere", {}));
    EXPECT_ERROR(ExitCode::missing_input, "0.1.txt", make("text", {{"val", "0.1.txt"}}));
    EXPECT_ERROR(ExitCode::missing_input, "nowhere", make("text", {{"val", dir / "nowhere"}}));
    EXPECT_ERROR(ExitCode::usage, "is a folder", make("", {}));
    EXPECT_ERROR(ExitCode::bad_data, "empty", make("empty", {}));
    EXPECT_ERROR(ExitCode::bad_data, "the document that starts with \"paragraph ",
                 make("text", {{"val", dir / "other"}}));
    EXPECT_ERROR(ExitCode::bad_data, "--dedup", make("text", {{"val", dir / "text"}}));
}

/// A file that vanishes or changes between the passes.
TEST(Corpus, NoticesThatAFileChanged) {
    for (const bool gone : {true, false}) {
        test::TemporaryDirectory dir;
        write_text_and_fsync(dir / "text", joined(paragraphs(20)));
        Divided corpus({dir / "text"}, DocumentRule::blank_line, {});
        if (gone) {
            ASSERT_EQ(std::remove((dir / "text").c_str()), 0);
            EXPECT_ERROR(ExitCode::missing_input, "text", corpus.corpus->train_tokenizer(280));
            EXPECT_ERROR(ExitCode::missing_input, "text", corpus.corpus->check_unchanged());
        } else {
            write_text_and_fsync(dir / "text", joined(paragraphs(19)));
            EXPECT_ERROR(ExitCode::bad_data, "call the command again",
                         corpus.corpus->train_tokenizer(280));
            EXPECT_ERROR(ExitCode::bad_data, "changed", corpus.corpus->check_unchanged());
        }
    }
}

TEST(Corpus, WikiText2AndPennTreebankHaveTheirPublishedFigures) {
    const char* data = std::getenv("LRD_DATA");
    if (data == nullptr) {
        GTEST_SKIP() << "LRD_DATA is not set";
    }
    const std::string wiki = std::string(data) + "/wikitext-2/wiki.";
    const Divided corpus({wiki + "train.tokens"}, DocumentRule::automatic,
                         {{"val", wiki + "valid.tokens"}, {"test", wiki + "test.tokens"}});
    const std::int64_t documents[] = {600, 60, 60};
    const std::int64_t words[] = {2088628, 217646, 245569};
    const std::int64_t bytes[] = {10797148, 1121681, 1256449};
    for (std::size_t s = 0; s < 3; ++s) {
        EXPECT_EQ(corpus.total(s).documents, documents[s]);
        EXPECT_EQ(corpus.total(s).sizes.words, words[s]);
        EXPECT_EQ(corpus.total(s).sizes.bytes, bytes[s]);
    }
    const std::string ptb = std::string(data) + "/ptb/ptb.";
    const Divided penn({ptb + "train.txt"}, DocumentRule::automatic,
                       {{"val", ptb + "valid.txt"}, {"test", ptb + "test.txt"}});
    const std::int64_t penn_words[] = {929589, 73760, 82430};
    for (std::size_t s = 0; s < 3; ++s) {
        EXPECT_EQ(penn.total(s).sizes.words, penn_words[s]);
        EXPECT_GT(penn.total(s).sizes.unknown, 1000);
    }
}

}  // namespace
}  // namespace lrd
