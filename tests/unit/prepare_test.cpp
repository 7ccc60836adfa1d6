// SPDX-License-Identifier: MIT
#include "commands/prepare.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "data/token_files.hpp"
#include "data/tokenizer.hpp"
#include "expect_error.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

class Alone : public Communicator {
public:
    int rank() const override { return 0; }
    int size() const override { return 1; }
    int node_rank() const override { return 0; }
    int node_size() const override { return 1; }
    void start_all_reduce_sum(Memory&, const View&) override {}
    void progress() override {}
    void wait_all() override {}
    void broadcast(Memory&, const View&, int) override {}
    void all_reduce_sum(std::span<double>) override {}
    void all_reduce_max(std::span<double>) override {}
    void broadcast(std::string&, int) override {}
    std::string gather(const std::string& bytes, int) override { return bytes; }
    void barrier() override {}
};

void run(const PrepareOptions& options) {
    Alone world;
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
              (std::vector<std::string>{"probe-00000.h5", "tokenizer", "train-00000.h5",
                                        "val-00000.h5"}));
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
    EXPECT_ERROR(ExitCode::busy, "--overwrite", run(one.options));
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
    EXPECT_EQ(names_in(one.options.out), (std::vector<std::string>{"tokenizer", "train-00000.h5"}));
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
    EXPECT_ERROR(ExitCode::usage, "train:V", with([](auto& o) { o.tokenizer = "8192"; }));
    EXPECT_ERROR(ExitCode::usage, "train:V", with([](auto& o) { o.tokenizer = "train:8k"; }));
    EXPECT_ERROR(ExitCode::usage, "257", with([](auto& o) { o.tokenizer = "train:100"; }));
    EXPECT_ERROR(ExitCode::usage, "--out", with([](auto& o) { o.out = ""; }));
    EXPECT_ERROR(ExitCode::usage, "--documents", with([](auto& o) { o.documents = "x"; }));
    EXPECT_ERROR(ExitCode::missing_input, "gone", with([](auto& o) { o.text = {"gone"}; }));
    EXPECT_FALSE(fs::exists(one.options.out));
}

TEST(Prepare, WikiText2) {
    const char* data = std::getenv("LRD_DATA");
    if (data == nullptr) {
        GTEST_SKIP() << "LRD_DATA is not set";
    }
    const std::string dir = std::string(data) + "/wikitext-2/wiki.";
    test::TemporaryDirectory folder;
    PrepareOptions options;
    options.text = {dir + "train.tokens"};
    options.val = dir + "valid.tokens";
    options.test = dir + "test.tokens";
    options.tokenizer = "train:8192";
    options.out = folder / "tokens";
    run(options);
    const std::int64_t words[] = {2088628, 217646, 245569};
    const std::int64_t bytes[] = {10797148, 1121681, 1256449};
    const char* splits[] = {"train", "val", "test"};
    for (std::size_t s = 0; s < 3; ++s) {
        const TokenFiles tokens(options.out, splits[s]);
        EXPECT_EQ(tokens.words(), words[s]);
        EXPECT_EQ(tokens.bytes(), bytes[s]);
    }
}

}  // namespace
}  // namespace lrd
