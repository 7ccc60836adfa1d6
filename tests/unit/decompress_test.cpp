// SPDX-License-Identifier: MIT
#include "io/decompress.hpp"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <random>

#include "expect_error.hpp"
#include "io/byte_file.hpp"
#include "io/digest.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

/// Half noise, half zeros: larger than the windows of reading and writing, before and after.
std::string sample() {
    std::mt19937 random(3);
    std::string text(1'500'000, '\0');
    for (std::size_t i = 0; i < text.size() / 2; ++i) {
        text[i] = static_cast<char>(random());
    }
    return text;
}

std::string gzip(const std::string& text) {
    std::string out(text.size() + 10000, '\0');
    z_stream z{};
    EXPECT_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    z.avail_in = static_cast<uInt>(text.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
}

std::string zstd(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
}

std::string plain(const std::string& path) {
    std::string text;
    decompress(path, compression_of(path), [&](std::string_view block) { text += block; });
    return text;
}

TEST(Decompress, GivesTheText) {
    const test::TemporaryDirectory dir;
    for (const auto& pack : {gzip, zstd}) {
        for (const std::string& text : {sample(), std::string("short"), std::string()}) {
            write_text_and_fsync(dir / "one", pack(text));
            EXPECT_EQ(plain(dir / "one"), text);
            write_text_and_fsync(dir / "two", pack(text) + pack("and more") + pack(text));
            EXPECT_EQ(plain(dir / "two"), text + "and more" + text);
        }
    }
    write_text_and_fsync(dir / "text.gz", "plain text");
    EXPECT_EQ(compression_of(dir / "text.gz"), Compression::none);
    write_text_and_fsync(dir / "empty", "");
    EXPECT_EQ(compression_of(dir / "empty"), Compression::none);
}

TEST(Decompress, SkipsWhatZstdPutsInFront) {
    const test::TemporaryDirectory dir;
    const std::string frame("\x5E\x2A\x4D\x18\3\0\0\0abc", 11);
    write_text_and_fsync(dir / "one", frame + zstd("text"));
    EXPECT_EQ(plain(dir / "one"), "text");
}

TEST(Decompress, NamesWhatIsNotRead) {
    const test::TemporaryDirectory dir;
    const std::vector<std::pair<std::string, std::string>> cases = {{std::string("\xFD"
                                                                                 "7zXZ\0\0",
                                                                                 7),
                                                                     "is xz"},
                                                                    {"BZh91AY&SY", "is bzip2"},
                                                                    {"PK\3\4", "is zip"},
                                                                    {"PAR1", "is Parquet"}};
    for (const auto& [start, what] : cases) {
        write_text_and_fsync(dir / "one", start + "…");
        EXPECT_ERROR(ExitCode::bad_data, what, compression_of(dir / "one"));
    }
    for (const char* text : {"BZh is no word", "BZh"}) {
        write_text_and_fsync(dir / "one", text);
        EXPECT_EQ(compression_of(dir / "one"), Compression::none);
    }
}

TEST(Decompress, RefusesWhatIsCutOrDamaged) {
    const test::TemporaryDirectory dir;
    const std::string text = sample();
    const auto refused = [&](const std::string& bytes) {
        write_text_and_fsync(dir / "bad", bytes);
        EXPECT_ERROR(ExitCode::bad_data, "copy the file again", plain(dir / "bad"));
    };
    for (const auto& pack : {gzip, zstd}) {
        const std::string whole = pack(text);
        for (const std::size_t left : {std::size_t{5}, whole.size() / 2, whole.size() - 1}) {
            refused(whole.substr(0, left));
        }
        std::string damaged = whole;
        damaged[2] = static_cast<char>(damaged[2] ^ 0x55);
        if (pack == gzip) {
            refused(damaged);
            damaged = whole;
            damaged[damaged.size() - 6] =
                static_cast<char>(damaged[damaged.size() - 6] ^ 1);  // CRC
            refused(damaged);
        }
        refused(whole + "behind it");
    }
}

TEST(ByteFile, ReadsThroughAWindow) {
    const test::TemporaryDirectory dir;
    const std::string text = sample();
    write_text_and_fsync(dir / "file", text);
    ByteReader file(dir / "file");
    for (std::size_t at : {0UL, 1UL, 262140UL, 262144UL, 1'499'990UL, 700'000UL, 699'000UL}) {
        const std::string_view block = file.at(static_cast<std::int64_t>(at));
        EXPECT_GE(block.size(), std::min(ByteReader::least, text.size() - at));
        EXPECT_EQ(block, std::string_view(text).substr(at, block.size()));
    }
    EXPECT_TRUE(file.at(file.size()).empty());
    EXPECT_EQ(xxh3_file(dir / "file"), xxh3_128(text.data(), text.size()));
}

}  // namespace
}  // namespace lrd
