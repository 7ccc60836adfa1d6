// SPDX-License-Identifier: MIT
#include "data/tokenizer.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

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
        {with(vocab, "\"!\": 0", "\"!\": \"x\""), merges, "\"!\" has id \"x\""},
        {with(vocab, "\"!\": 0", "\"a\\nb\": 0"), merges, "a\\nb"},  // on one line
        {with(vocab, "\"!\"", "\"$\""), merges, "$"},
        {vocab.substr(0, vocab.size() / 2), merges, "vocab.json"},
        {"[]", merges, "expected an object"},
        {with(vocab, "\"$\": 3", "\"!\": 3"), merges, "\"!\""},
        {vocab, merges.substr(0, merges.rfind('\n', merges.size() - 2) + 1), "no line makes"},
        {vocab, "", "no line makes"},
        {vocab, merges + "ab\n", "merges.txt:4"},
        {vocab, merges + "x y\n", "merges.txt:4"},
        {vocab, merges + "a b c\n", "merges.txt:4"},
        {vocab, merges + " b\n", "merges.txt:4"},
        {vocab, merges + "a \xC4\n", "merges.txt:4"},  // half a character
        {vocab, merges + std::string(300, 'a') + "\n", "aaa…"},
        {vocab, merges + "a b\n", "merges.txt:2"},
    };
    for (const Case& one : cases) {
        test::TemporaryDirectory folder;
        write_text_and_fsync(folder / "vocab.json", one.vocab);
        write_text_and_fsync(folder / "merges.txt", one.merges);
        EXPECT_ERROR(ExitCode::bad_data, one.part, Tokenizer::load(folder.path()));
        test::TemporaryDirectory other;
        std::filesystem::rename(folder / "vocab.json", other / "encoder.json");
        std::filesystem::rename(folder / "merges.txt", other / "vocab.bpe");
        const bool in_merges = one.part.starts_with("merges.txt");
        EXPECT_ERROR(ExitCode::bad_data, in_merges ? "vocab.bpe:4" : "",
                     Tokenizer::load(other.path()));
    }
    EXPECT_ERROR(ExitCode::missing_input, "encoder.json", Tokenizer::load(good / "nowhere"));
    std::filesystem::remove(good / "merges.txt");
    EXPECT_ERROR(ExitCode::missing_input, "merges.txt", Tokenizer::load(good.path()));
}

/// As transformers writes it: `merges` as pairs or as text, `extra` between pre_tokenizer and model.
std::string one_file(const Tokenizer& tokenizer, bool pairs, const std::string& pre,
                     const std::string& added = "", const std::string& extra = "") {
    test::TemporaryDirectory folder;
    tokenizer.save(folder.path());
    std::string merges;
    std::istringstream lines(read_text(folder / "merges.txt"));
    std::string line;
    for (std::getline(lines, line); std::getline(lines, line);) {
        const std::size_t blank = line.find(' ');
        merges += merges.empty() ? "" : ", ";
        const std::string left = Json(line.substr(0, blank)).dump();
        const std::string right = Json(line.substr(blank + 1)).dump();
        merges += pairs ? fmt::format("[{}, {}]", left, right) : Json(line).dump();
    }
    return fmt::format(
        R"({{"added_tokens": [{}], "pre_tokenizer": {{{}}}, {}"model": {{"type": "BPE", "vocab": {}, "merges": [{}]}}}})",
        added, pre, extra, read_text(folder / "vocab.json"), merges);
}

TEST(Tokenizer, ReadsHuggingFacesOneFile) {
    const Tokenizer tokenizer = trained("the theme thesis \"quoted\" the theme", 270);
    const std::string plain = R"("type": "ByteLevel", "add_prefix_space": false)";
    test::TemporaryDirectory folder;
    EXPECT_FALSE(Tokenizer::is_in(folder.path()));
    const auto write = [&](const std::string& text) {
        write_text_and_fsync(folder / "tokenizer.json", text);
    };
    for (const bool pairs : {true, false}) {
        write(one_file(tokenizer, pairs, plain));
        EXPECT_TRUE(Tokenizer::is_in(folder.path()));
        EXPECT_EQ(Tokenizer::load(folder.path()).sha256(), tokenizer.sha256());
    }
    write(one_file(tokenizer, true, plain, R"({"id": 269, "content": "<|endoftext|>"},
                                              {"id": 270, "content": "<pad>"})"));
    EXPECT_EQ(Tokenizer::load(folder.path()).vocab_size(), 271);
    write(one_file(tokenizer, true, plain, R"({"id": 270, "content": "<my pad 日本>"})"));
    EXPECT_EQ(Tokenizer::load(folder.path()).bytes_of(270), "<my pad 日本>");
    const auto refused = [&](const std::string& words, const std::string& text) {
        write(text);
        EXPECT_ERROR(ExitCode::bad_data, words, Tokenizer::load(folder.path()));
    };
    refused("add_prefix_space = true",
            one_file(tokenizer, true, R"("type": "ByteLevel", "add_prefix_space": true)"));
    refused("\"Whitespace\"", one_file(tokenizer, true, R"("type": "Whitespace")"));
    refused("use_regex = false",
            one_file(tokenizer, true, R"("type": "ByteLevel", "use_regex": false)"));
    refused("normalizer",
            one_file(tokenizer, true, plain, "", R"("normalizer": {"type": "NFC"}, )"));
    refused("model is \"\"", "{}");
    for (const char* member :
         {"\"end_of_word_suffix\": \"</w>\"", "\"dropout\": 0.1", "\"byte_fallback\": true"}) {
        std::string text = one_file(tokenizer, true, plain);
        text.replace(text.find("\"type\": \"BPE\""), 13,
                     std::string("\"type\": \"BPE\", ") + member);
        refused(std::string(member).substr(1, 7), text);
    }
    refused("tokenizer.json", one_file(tokenizer, true, plain, "1"));
    refused("each id from 0",
            one_file(tokenizer, true, plain, R"({"id": 300, "content": "<pad>"})"));
    std::string text = one_file(tokenizer, true, plain);
    text.replace(text.find("\"merges\": ["), 11, "\"merges\": [\"x y\", ");
    refused("tokenizer.json: merge 0", text);
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
