// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <numeric>

#include "data/shard_writer.hpp"
#include "data/token_files.hpp"
#include "expect_error.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;
namespace names = shard_format;
using Ids = std::vector<std::int32_t>;

ShardHeader header_of(std::int64_t vocab_size, const std::string& split = "train") {
    return {.split = split,
            .document_rule = "file",
            .tokenizer_sha256 = std::string(64, 'a'),
            .vocab_size = vocab_size,
            .end_of_text = static_cast<std::int32_t>(vocab_size - 1)};
}

/// `count` documents of 5, 6, 7, … ids, `together` of them in a shard; returns the whole stream.
Ids write_split(const std::string& dir, const ShardHeader& header, int count, int together) {
    Ids stream;
    for (int first = 0; first < count; first += together) {
        const int documents = std::min(together, count - first);
        ShardWriter writer(dir, header,
                           {.shard = first / together,
                            .shards = (count + together - 1) / together,
                            .documents = documents});
        const std::size_t before = stream.size();
        for (int d = first; d < first + documents; ++d) {
            for (int i = 0; i < 5 + d; ++i) {
                const Ids id = {(d * 1000 + i) % static_cast<int>(header.vocab_size - 1)};
                writer.add(id);
                stream.push_back(id[0]);
            }
            writer.end_document(10 + d, 2 + d);
            stream.push_back(header.end_of_text);
        }
        EXPECT_EQ(writer.finish().tokens, static_cast<std::int64_t>(stream.size() - before));
    }
    return stream;
}

TEST(Shards, ReadBackAcrossFilesInBothWidths) {
    for (const std::int64_t vocab_size : {65536, 65537}) {
        test::TemporaryDirectory dir;
        const Ids stream = write_split(dir.path(), header_of(vocab_size), 20, 3);
        const TokenFiles tokens(dir.path(), "train");
        EXPECT_GT(tokens.totals().shards, 5);
        ASSERT_EQ(tokens.n_tokens(), static_cast<std::int64_t>(stream.size()));
        EXPECT_EQ(tokens.vocabulary(), vocab_size);
        EXPECT_EQ(tokens.bytes(), 20 * 10 + 190);
        EXPECT_EQ(tokens.words(), 20 * 2 + 190);
        EXPECT_EQ(tokens.header().end_of_text, vocab_size - 1);
        for (std::size_t first = 0; first < stream.size(); first += 13) {
            for (const std::size_t count : {1U, 50U, 120U}) {
                Ids part(std::min<std::size_t>(count, stream.size() - first));
                tokens.read(static_cast<std::int64_t>(first), part);
                EXPECT_TRUE(std::equal(part.begin(), part.end(),
                                       stream.begin() + static_cast<std::ptrdiff_t>(first)));
            }
        }
        const DocumentTable& documents = tokens.documents();
        ASSERT_EQ(documents.offsets.size(), 21U);
        for (std::size_t d = 0; d < 20; ++d) {
            EXPECT_EQ(documents.offsets[d + 1] - documents.offsets[d],
                      static_cast<std::int64_t>(6 + d));
            EXPECT_EQ(stream[static_cast<std::size_t>(documents.offsets[d + 1]) - 1],
                      tokens.header().end_of_text);
            EXPECT_EQ(documents.bytes[d], static_cast<std::int64_t>(10 + d));
            EXPECT_EQ(documents.words[d], static_cast<std::int64_t>(2 + d));
        }
        const auto type = h5::File::open(dir / "train-00000.h5").info(names::tokens).type;
        EXPECT_EQ(type, vocab_size == 65536 ? h5::Type::u16 : h5::Type::i32);
    }
}

/// More tokens than are held in memory, in two documents.
TEST(Shards, ChunksAreSmallAndChecked) {
    for (const std::int64_t vocab_size : {300, 70000}) {
        test::TemporaryDirectory dir;
        ShardWriter writer(dir.path(), header_of(vocab_size), {.documents = 2});
        writer.add(Ids(300000, 7));
        writer.add(Ids(11, 8));
        writer.end_document(1, 2);
        writer.add(Ids(200000, 9));
        writer.end_document(3, 4);
        const ShardWriter::Written written = writer.finish();
        EXPECT_EQ(written.tokens, 500013);
        EXPECT_EQ(written.bytes, 4);
        EXPECT_EQ(written.words, 6);
        const h5::File file = h5::File::open(dir / "train-00000.h5");
        const h5::Info info = file.info(names::tokens);
        ASSERT_EQ(info.chunk.size(), 1U);
        EXPECT_LE(info.chunk[0] * h5::size_of(info.type), 65536U);
        EXPECT_TRUE(info.fletcher32);
        EXPECT_EQ(file.read<std::int64_t>(names::doc_offsets),
                  (std::vector<std::int64_t>{0, 300012, 500013}));
        Ids all(500013);
        TokenFiles(dir.path(), "train").read(0, all);
        EXPECT_EQ(std::count(all.begin(), all.end(), 7), 300000);
        EXPECT_EQ(all[300011], vocab_size - 1);
        EXPECT_EQ(all[300012], 9);
        EXPECT_EQ(file.attribute_int("/", names::max_id), vocab_size - 1);
    }
}

TEST(Shards, AnUnfinishedFolderIsRefused) {
    test::TemporaryDirectory dir;
    write_split(dir.path(), header_of(300), 3, 3);
    EXPECT_EQ(TokenFiles(dir.path(), "train").totals().documents, 3);
    write_text_and_fsync(dir / names::unfinished, "");
    EXPECT_ERROR(ExitCode::bad_data, "did not finish", TokenFiles(dir.path(), "train"));
    EXPECT_ERROR(ExitCode::bad_data, "did not finish", TokenFiles(dir / "train-00000.h5", ""));
}

TEST(Shards, SameContentSameBytes) {
    test::TemporaryDirectory a;
    test::TemporaryDirectory b;
    write_split(a.path(), header_of(300), 9, 3);
    write_split(b.path(), header_of(300), 9, 3);
    for (const auto& entry : fs::directory_iterator(a.path())) {
        const std::string name = entry.path().filename().string();
        EXPECT_EQ(read_text(a / name), read_text(b / name)) << name;
    }
    EXPECT_EQ(TokenFiles(a.path(), "train").digest(), TokenFiles(b.path(), "train").digest());
    test::TemporaryDirectory c;
    write_split(c.path(), header_of(300), 8, 3);
    EXPECT_NE(TokenFiles(a.path(), "train").digest(), TokenFiles(c.path(), "train").digest());
}

TEST(Shards, NamesOfFiles) {
    EXPECT_EQ(names::file_name("val-2", 17), "val-2-00017.h5");
    EXPECT_EQ(names::split_of("val-2-00017.h5"), "val-2");
    EXPECT_EQ(names::split_of("val-0017.h5"), "");
    EXPECT_EQ(names::split_of("-00017.h5"), "");
    EXPECT_EQ(names::split_of("val-0001x.h5"), "");
    EXPECT_EQ(names::split_of("val-00017.h5.tmp"), "");
}

TEST(Shards, OneFileAlone) {
    test::TemporaryDirectory dir;
    write_split(dir.path(), header_of(300, "test"), 4, 2);
    const TokenFiles tokens(dir / "test-00001.h5", "");
    EXPECT_EQ(tokens.n_tokens(), 8 + 9);
    EXPECT_EQ(tokens.header().split, "test");
    EXPECT_ERROR(ExitCode::bad_data, "split", TokenFiles(dir / "test-00001.h5", "val"));
}

TEST(Shards, MissingOnesAreNamed) {
    test::TemporaryDirectory dir;
    EXPECT_ERROR(ExitCode::missing_input, "lrd prepare", TokenFiles(dir / "nowhere", "train"));
    EXPECT_ERROR(ExitCode::missing_input, "no token files", TokenFiles(dir.path(), "train"));
    write_split(dir.path(), header_of(300, "train"), 9, 3);
    write_split(dir.path(), header_of(300, "val"), 2, 3);
    EXPECT_ERROR(ExitCode::missing_input, "the splits here are train, val",
                 TokenFiles(dir.path(), "test"));
    fs::remove(dir / "train-00001.h5");
    EXPECT_ERROR(ExitCode::missing_input, "train-00001.h5", TokenFiles(dir.path(), "train"));
}

struct Damage {
    const char* name;
    std::function<void(const std::string& path)> apply;
    std::string part;  // of the sentence
};

void edit(const std::string& path, const std::function<void(h5::File&)>& change) {
    h5::File file = h5::File::open_to_append(path);
    change(file);
    file.close();
}

/// A new file with the same attributes, and datasets as `change` leaves them.
struct Content {
    std::vector<std::uint16_t> tokens;
    std::vector<std::int64_t> offsets, bytes, words;
};
void rewrite(const std::string& path, const std::function<void(Content&)>& change) {
    Content content;
    std::vector<std::pair<std::string, std::int64_t>> numbers;
    std::vector<std::pair<std::string, std::string>> texts;
    {
        const h5::File file = h5::File::open(path);
        content = {
            file.read<std::uint16_t>(names::tokens), file.read<std::int64_t>(names::doc_offsets),
            file.read<std::int64_t>(names::doc_bytes), file.read<std::int64_t>(names::doc_words)};
        for (const std::string& key : file.attributes("/")) {
            if (key == names::split || key == names::document_rule || key == names::digest ||
                key == names::tokenizer_sha256) {
                texts.emplace_back(key, file.attribute_text("/", key));
            } else if (key != names::bytes_per_token) {
                numbers.emplace_back(key, file.attribute_int("/", key));
            }
        }
    }
    change(content);
    h5::File file = h5::File::create(path);
    file.write(names::tokens, content.tokens);
    file.write(names::doc_offsets, content.offsets);
    file.write(names::doc_bytes, content.bytes);
    file.write(names::doc_words, content.words);
    for (const auto& [key, value] : numbers) {
        file.set_attribute("/", key, value);
    }
    for (const auto& [key, value] : texts) {
        file.set_attribute("/", key, value);
    }
    file.close();
}

auto number(const char* key, std::int64_t value) {
    return [=](const std::string& path) {
        edit(path, [&](h5::File& file) { file.set_attribute("/", key, value); });
    };
}

class Damaged : public testing::TestWithParam<Damage> {};

TEST_P(Damaged, IsRefusedWithFileAndReason) {
    test::TemporaryDirectory dir;
    write_split(dir.path(), header_of(300), 9, 3);
    const std::string path = dir / "train-00001.h5";
    rewrite(path, [](Content&) {});
    EXPECT_NO_THROW(TokenFiles(dir.path(), "train"));
    GetParam().apply(path);
    try {
        const TokenFiles tokens(dir.path(), "train");
        Ids all(static_cast<std::size_t>(tokens.n_tokens()));
        tokens.read(0, all);
        FAIL() << "was read";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::bad_data) << error.what();
        EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find(GetParam().part), std::string::npos)
            << error.what();
    }
}

const Damage damages[] = {
    {"newer", number(names::format_version, 2), "format_version is 2"},
    {"truncated", [](const std::string& p) { fs::resize_file(p, fs::file_size(p) / 2); }, ""},
    {"empty", [](const std::string& p) { fs::resize_file(p, 0); }, ""},
    {"text", [](const std::string& p) { write_text_and_fsync(p, "not HDF5"); }, "HDF5"},
    {"not_ours", [](const std::string& p) { h5::File::create(p).close(); }, "not a token file"},
    {"other_vocabulary", number(names::vocab_size, 400), "expected 300, found 400"},
    {"max_id", number(names::max_id, 300), "[0, 300), found 300"},
    {"id_in_tokens",
     [](const std::string& p) { rewrite(p, [](Content& c) { c.tokens[3] = 300; }); },
     "/tokens: expected ids in [0, 300), found 300 at 3"},
    {"too_few_tokens",
     [](const std::string& p) { rewrite(p, [](Content& c) { c.tokens.pop_back(); }); },
     "/tokens: size"},
    {"offsets_shrink",
     [](const std::string& p) { rewrite(p, [](Content& c) { c.offsets[1] = 30000; }); },
     "/doc_offsets: expected to grow"},
    {"offsets_start",
     [](const std::string& p) { rewrite(p, [](Content& c) { c.offsets[0] = 1; }); },
     "/doc_offsets: first"},
    {"offsets_end",
     [](const std::string& p) { rewrite(p, [](Content& c) { ++c.offsets.back(); }); },
     "/doc_offsets: last"},
    {"too_few_offsets",
     [](const std::string& p) { rewrite(p, [](Content& c) { c.offsets.pop_back(); }); },
     "/doc_offsets: size"},
    {"too_few_words",
     [](const std::string& p) { rewrite(p, [](Content& c) { c.words.pop_back(); }); },
     "/doc_words: size"},
    {"no_documents", number(names::n_documents, 0), "found"},
    {"shard_number", number(names::shard, 3), "shard: expected 1, found 3"},
    {"shard_count", number(names::shards, 9), "shards"},
    {"end_of_text", number(names::end_of_text, 300), "end_of_text"},
};

INSTANTIATE_TEST_SUITE_P(Shards, Damaged, testing::ValuesIn(damages),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(Shards, TokensOfAnotherTypeAreRefused) {
    test::TemporaryDirectory dir;
    write_split(dir.path(), header_of(65536), 3, 3);
    edit(dir / "train-00000.h5",
         [](h5::File& file) { file.set_attribute("/", names::vocab_size, std::int64_t{70000}); });
    EXPECT_ERROR(ExitCode::bad_data, "/tokens: type", TokenFiles(dir.path(), "train"));
}

}  // namespace
}  // namespace lrd
