// SPDX-License-Identifier: MIT
#include "commands/prepare.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "comm/silent_world.hpp"
#include "data/token_files.hpp"
#include "data/tokenizer.hpp"
#include "expect_error.hpp"
#include "io/publish.hpp"
#include "io/work_folder.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

void run(const PrepareOptions& options) {
    SilentWorld world{1, 1};
    EXPECT_EQ(prepare(options, world), 0);
}

std::map<std::string, std::string> contents(const std::string& dir) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(dir)) {
        if (entry.is_regular_file()) {
            files[fs::relative(entry.path(), dir).string()] = read_text(entry.path().string());
        }
    }
    return files;
}

std::vector<std::string> names_in(const std::string& dir) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir)) {
        names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string story() {
    std::string text;
    for (int i = 0; i < 60; ++i) {
        text += "Chapter " + std::to_string(i) + ", in which nothing happens " +
                std::to_string(i * i) + " times.\nThe end of the chapter.\n\n";
    }
    return text;
}

struct Story {
    test::TemporaryDirectory dir;
    PrepareOptions options;

    Story() {
        write_text_and_fsync(dir / "story.txt", story());
        options.text = {dir / "story.txt"};
        options.tokenizer = "train:300";
        options.out = dir / "out";
        options.val = "0.1";
        options.splits = {{"probe", "0.1"}};
    }
};

TEST(Prepare, DecodesToTheText) {
    Story one;
    run(one.options);
    EXPECT_EQ(names_in(one.dir.path()), (std::vector<std::string>{"out", "story.txt"}));
    EXPECT_EQ(names_in(one.options.out),
              (std::vector<std::string>{"prepare.json", "probe-00000.h5", "tokenizer",
                                        "train-00000.h5", "val-00000.h5"}));
    const Tokenizer tokenizer = Tokenizer::load(one.options.out + "/tokenizer");
    std::map<std::size_t, std::string> by_place;
    for (const std::string split : {"train", "val", "probe"}) {
        const TokenFiles tokens(one.options.out, split);
        EXPECT_EQ(tokens.header().tokenizer_sha256, tokenizer.sha256());
        EXPECT_EQ(tokens.vocabulary(), 300);
        EXPECT_EQ(tokens.header().document_rule, "blank-line");
        const DocumentTable& documents = tokens.documents();
        for (std::size_t d = 0; d + 1 < documents.offsets.size(); ++d) {
            std::vector<std::int32_t> ids(
                static_cast<std::size_t>(documents.offsets[d + 1] - documents.offsets[d]));
            tokens.read(documents.offsets[d], ids);
            EXPECT_EQ(ids.back(), 299);
            ids.pop_back();
            const std::string text = tokenizer.decode(ids);
            EXPECT_EQ(static_cast<std::int64_t>(text.size()), documents.bytes[d]);
            by_place[story().find(text)] = text;
        }
    }
    std::string all;
    for (const auto& [place, text] : by_place) {
        all += text;
    }
    EXPECT_EQ(all, story());
}

TEST(Prepare, TwoRunsGiveTheSameBytes) {
    Story one;
    run(one.options);
    const auto first = contents(one.options.out);
    one.options.out = one.dir / "again/";
    run(one.options);
    EXPECT_EQ(contents(one.options.out), first);
}

TEST(Prepare, TheTokenizerSeesTheTrainSplitOnly) {
    Story one;
    write_text_and_fsync(one.dir / "val.txt", std::string("zqzqzq ") + std::string(3000, 'Q'));
    one.options.splits.clear();
    one.options.val.clear();
    run(one.options);
    const auto without = contents(one.options.out + "/tokenizer");
    one.options.val = one.dir / "val.txt";
    one.options.documents = "file";
    one.options.out = one.dir / "with";
    run(one.options);
    EXPECT_EQ(contents(one.options.out + "/tokenizer"), without);
}

TEST(Prepare, LosesNothingThatIsThere) {
    Story one;
    run(one.options);
    const auto before = contents(one.options.out);
    run(one.options);
    EXPECT_EQ(contents(one.options.out), before);
    PrepareOptions changed = one.options;
    changed.overwrite = true;
    changed.tokenizer = "train:9000";  // more than the text gives
    EXPECT_ERROR(ExitCode::usage, "gives only", run(changed));
    EXPECT_EQ(contents(one.options.out), before);
    EXPECT_EQ(names_in(one.dir.path()), (std::vector<std::string>{"out", "story.txt"}));

    changed.tokenizer = "train:280";
    changed.val = "0";
    changed.splits.clear();
    run(changed);
    EXPECT_EQ(names_in(one.options.out),
              (std::vector<std::string>{"prepare.json", "tokenizer", "train-00000.h5"}));
    EXPECT_EQ(names_in(one.dir.path()), (std::vector<std::string>{"out", "story.txt"}));

    write_text_and_fsync(one.options.out + "/thesis.tex", "work of years");
    EXPECT_ERROR(ExitCode::busy, "thesis.tex", run(changed));
    EXPECT_EQ(read_text(one.options.out + "/thesis.tex"), "work of years");
    changed.out = one.dir / "story.txt";
    EXPECT_ERROR(ExitCode::busy, "there is a file", run(changed));
}

TEST(Prepare, RefusesBadOptions) {
    Story one;
    const auto with = [&](auto change) {
        PrepareOptions options = one.options;
        change(options);
        run(options);
    };
    EXPECT_ERROR(ExitCode::missing_input, "train:V", with([](auto& o) { o.tokenizer = "8192"; }));
    EXPECT_ERROR(ExitCode::usage, "train:V", with([](auto& o) { o.tokenizer = "train:8k"; }));
    EXPECT_ERROR(ExitCode::usage, "257", with([](auto& o) { o.tokenizer = "train:100"; }));
    EXPECT_ERROR(ExitCode::usage, "--out", with([](auto& o) { o.out = ""; }));
    EXPECT_ERROR(ExitCode::usage, "--documents", with([](auto& o) { o.documents = "x"; }));
    EXPECT_ERROR(ExitCode::missing_input, "gone", with([](auto& o) { o.text = {"gone"}; }));
    EXPECT_FALSE(fs::exists(one.options.out));
}

/// What a second call says of a change, and that it touches nothing.
TEST(Prepare, SaysWhatDiffers) {
    Story one;
    run(one.options);
    const auto before = contents(one.options.out);
    const auto refused = [&](const std::string& words, auto change) {
        PrepareOptions options = one.options;
        change(options);
        EXPECT_ERROR(ExitCode::busy, words, run(options));
        EXPECT_ERROR(ExitCode::busy, "--overwrite", run(options));
        EXPECT_EQ(contents(one.options.out), before);
    };
    refused("--tokenizer is \"train:301\" now and was \"train:300\"",
            [](auto& o) { o.tokenizer = "train:301"; });
    refused("--documents is \"file\" now and was \"auto\"", [](auto& o) { o.documents = "file"; });
    refused("--dedup is true now and was false", [](auto& o) { o.dedup = true; });
    refused("val=0.2 probe=0.1\" now and was \"val=0.1", [](auto& o) { o.val = "0.2"; });
    refused("--tokenizer is \"given\"", [&](auto& o) { o.tokenizer = o.out + "/tokenizer"; });
    write_text_and_fsync(one.dir / "more.txt", "more");
    refused("there are 2 files", [&](auto& o) { o.text.push_back(one.dir / "more.txt"); });
    refused("more.txt has other contents than", [&](auto& o) { o.text = {one.dir / "more.txt"}; });

    std::string text = story();
    write_text_and_fsync(one.dir / "story.txt", text);  // another time, the same text
    run(one.options);
    write_text_and_fsync(one.dir / "copy.txt", text);
    PrepareOptions copied = one.options;
    copied.text = {one.dir / "copy.txt"};
    run(copied);
    EXPECT_EQ(contents(one.options.out), before);
    text[100] = '#';  // the same size
    write_text_and_fsync(one.dir / "story.txt", text);
    refused("story.txt has other contents than before", [](auto&) {});
    write_text_and_fsync(one.dir / "story.txt", story());
    fs::resize_file(one.options.out + "/train-00000.h5", 1000);
    EXPECT_ERROR(ExitCode::busy, "train-00000.h5 has 1000 bytes", run(one.options));
    one.options.overwrite = true;
    run(one.options);
    EXPECT_EQ(TokenFiles(one.options.out, "train").vocabulary(), 300);
    one.options.overwrite = false;
    fs::remove(one.options.out + "/prepare.json");
    EXPECT_ERROR(ExitCode::busy, "it has no prepare.json", run(one.options));
    one.options.overwrite = true;  // what only has the name of a shard is somebody's
    for (const char* name : {"/ablation-00007.h5", "/tokenizer/thesis"}) {
        write_text_and_fsync(one.options.out + name, "mine");
        EXPECT_ERROR(ExitCode::busy, "which is no token file", run(one.options));
        EXPECT_EQ(read_text(one.options.out + name), "mine");
        fs::remove(one.options.out + name);
    }
    run(one.options);
}

TEST(Prepare, TakesATokenizerThatIsGiven) {
    Story one;
    run(one.options);
    PrepareOptions given = one.options;
    given.tokenizer = one.options.out + "/tokenizer";
    given.out = one.dir / "given";
    run(given);
    run(given);
    auto learnt = contents(one.options.out);
    auto again = contents(given.out);
    learnt.erase("prepare.json");
    again.erase("prepare.json");
    EXPECT_EQ(again, learnt);
    fs::copy(given.tokenizer, one.dir / "other", fs::copy_options::recursive);
    PrepareOptions small = one.options;
    small.tokenizer = "train:290";
    small.out = one.dir / "small";
    run(small);
    given.tokenizer = small.out + "/tokenizer";
    EXPECT_ERROR(ExitCode::busy, "the tokenizer is", run(given));
}

TEST(Prepare, ThreadsDoNotMatter) {
    test::TemporaryDirectory dir;
    std::string text;
    for (int i = 0; text.size() < 3'000'000; ++i) {
        text += "Paragraph " + std::to_string(i) + " of " + std::to_string(i * 7919) +
                (i % 5 == 0 ? ".\n\n" : ", which goes on.\n");
    }
    write_text_and_fsync(dir / "text", text);
    PrepareOptions options;
    options.text = {dir / "text"};
    options.tokenizer = "train:400";
    options.documents = "blank-line";
    options.val = "0.2";
    std::map<std::string, std::string> first;
    for (const int threads : {1, 2, 5}) {
        options.threads = threads;
        options.out = dir / std::to_string(threads);
        run(options);
        first = threads == 1 ? contents(options.out) : first;
        EXPECT_EQ(contents(options.out), first) << threads;
    }
    EXPECT_GT(first.size(), 8U);  // several shards
}

/// A live process holds the lock; what a dead one left behind is cleared away.
TEST(Prepare, OneAtATime) {
    Story one;
    {
        const WorkFolder other(one.options.out);
        EXPECT_ERROR(ExitCode::busy, "another process makes this folder now", run(one.options));
    }
    const auto leave_behind = [&] {
        fs::create_directories(one.dir / ".lrd-out/result");
        write_text_and_fsync(one.dir / ".lrd-out/lock", "");
    };
    leave_behind();
    write_text_and_fsync(one.dir / ".lrd-out/result/old-00000.h5", "half");
    run(one.options);
    EXPECT_EQ(names_in(one.dir.path()), (std::vector<std::string>{"out", "story.txt"}));
    EXPECT_FALSE(fs::exists(one.options.out + "/old-00000.h5"));
    leave_behind();
    run(one.options);  // up to date
    EXPECT_EQ(names_in(one.dir.path()), (std::vector<std::string>{"out", "story.txt"}));
}

/// What could not be put in place at the end is refused at the start.
TEST(Prepare, WhereTheOutputMayGo) {
    Story one;
    fs::create_directory_symlink(one.dir / "nowhere", one.options.out);
    EXPECT_ERROR(ExitCode::io, "is a link to nowhere", run(one.options));
    fs::create_directory(one.dir / "nowhere");  // now a folder, and stays where the link leads
    run(one.options);
    EXPECT_TRUE(fs::is_symlink(one.options.out));
    EXPECT_TRUE(fs::exists(one.dir / "nowhere/prepare.json"));
    EXPECT_ERROR(ExitCode::io, "is a mount point", WorkFolder("/proc"));
}

TEST(Prepare, SaysThatItsManifestIsDamaged) {
    Story one;
    run(one.options);
    const std::string path = one.options.out + "/prepare.json";
    const std::string whole = read_text(path);
    for (const char* member : {"\"tokenizer_sha256\"", "\"xxh3\"", "\"unk_words\"",
                               "\"format_version\"", "\"outputs\""}) {
        std::string text = whole;
        ASSERT_NE(text.find(member), std::string::npos) << member;
        text.replace(text.find(member), 2, "\"_");
        write_text_and_fsync(path, text);
        EXPECT_ERROR(ExitCode::bad_data, path, run(one.options));
        EXPECT_ERROR(ExitCode::bad_data, "--overwrite", run(one.options));
    }
}

/// Published: 2,448,382 / 258,659 / 295,877 and 1,174,722 / 92,830 / 105,243 GPT-2 tokens, of the files
/// as one text each, without the end-of-text token that ends each document here.
TEST(Prepare, PublishedCountsOfTokens) {
    const char* data = std::getenv("LRD_DATA");
    if (data == nullptr) {
        GTEST_SKIP() << "LRD_DATA is not set";
    }
    const std::string dir = std::string(data);
    const auto expect = [&](const std::string& documents, const std::vector<std::string>& files,
                            const std::vector<std::int64_t>& published) {
        test::TemporaryDirectory folder;
        PrepareOptions options;
        options.text = {dir + files[0]};
        options.val = dir + files[1];
        options.test = dir + files[2];
        options.documents = documents;
        options.tokenizer = dir + "/gpt2-bpe";
        options.out = folder / "tokens";
        run(options);
        const char* splits[] = {"train", "val", "test"};
        for (std::size_t s = 0; s < 3; ++s) {
            const TokenFiles tokens(options.out, splits[s]);
            EXPECT_EQ(tokens.n_tokens() - tokens.totals().documents, published[s])
                << documents << " " << splits[s];
        }
    };
    const std::vector<std::string> wiki = {"/wikitext-2/wiki.train.tokens",
                                           "/wikitext-2/wiki.valid.tokens",
                                           "/wikitext-2/wiki.test.tokens"};
    expect("file", wiki, {2448382, 258659, 295877});
    expect("auto", wiki, {2448382, 258659, 295877});
    expect("auto", {"/ptb/ptb.train.txt", "/ptb/ptb.valid.txt", "/ptb/ptb.test.txt"},
           {1174722, 92830, 105243});
}

}  // namespace
}  // namespace lrd
