// SPDX-License-Identifier: MIT
#include "io/decompress.hpp"

#include <zlib.h>
#include <zstd.h>

#include <memory>
#include <utility>
#include <vector>

#include "core/check.hpp"
#include "io/byte_file.hpp"

namespace lrd {

namespace {

constexpr std::size_t out_block = std::size_t{256} << 10;

[[noreturn]] void fail_damaged(const std::string& path, const std::string& what) {
    fail(ExitCode::bad_data, "{}: {}; copy the file again", path, what);
}

struct Inflater {
    z_stream stream{};
    Inflater() {
        LRD_CHECK(inflateInit2(&stream, 15 + 16) == Z_OK, "zlib does not start");  // 16: gzip
    }
    ~Inflater() { inflateEnd(&stream); }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
};

using Use = std::function<void(std::string_view)>;

void gunzip(ByteReader& file, const Use& use) {
    Inflater inflater;
    z_stream& z = inflater.stream;
    std::vector<char> out(out_block);
    bool ended = true;  // between two members
    for (std::int64_t at = 0; at < file.size();) {
        const std::string_view in = file.at(at);
        at += static_cast<std::int64_t>(in.size());
        z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));  // zlib only reads
        z.avail_in = static_cast<uInt>(in.size());
        bool full = false;  // more may come without further input
        while (z.avail_in > 0 || full) {
            if (ended) {
                inflateReset(&z);
            }
            z.next_out = reinterpret_cast<Bytef*>(out.data());
            z.avail_out = static_cast<uInt>(out.size());
            const int code = inflate(&z, Z_NO_FLUSH);
            if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
                fail_damaged(file.path(),
                             fmt::format("is damaged gzip ({})",
                                         z.msg != nullptr ? z.msg : "no reason given"));
            }
            use({out.data(), out.size() - z.avail_out});
            ended = code == Z_STREAM_END;
            full = !ended && z.avail_out == 0;
        }
    }
    if (!ended) {
        fail_damaged(file.path(), "is gzip that ends too early");
    }
}

void unzstd(ByteReader& file, const Use& use) {
    const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                          ZSTD_freeDCtx);
    LRD_CHECK(context != nullptr, "zstd does not start");
    std::vector<char> out(out_block);
    std::size_t wanted = 0;  // 0: between two frames
    for (std::int64_t at = 0; at < file.size();) {
        const std::string_view block = file.at(at);
        at += static_cast<std::int64_t>(block.size());
        ZSTD_inBuffer in{block.data(), block.size(), 0};
        bool full = false;
        while (in.pos < in.size || full) {
            ZSTD_outBuffer to{out.data(), out.size(), 0};
            wanted = ZSTD_decompressStream(context.get(), &to, &in);
            if (ZSTD_isError(wanted) != 0) {
                fail_damaged(file.path(), fmt::format("is damaged zstd, or needs a longer window "
                                                      "than is read here ({})",
                                                      ZSTD_getErrorName(wanted)));
            }
            use({out.data(), to.pos});
            full = wanted != 0 && to.pos == to.size;
        }
    }
    if (wanted != 0) {
        fail_damaged(file.path(), "is zstd that ends too early");
    }
}

}  // namespace

Compression compression_of(const std::string& path) {
    ByteReader file(path);
    const std::string_view start = file.at(0);
    if (start.starts_with("\x1F\x8B")) {
        return Compression::gzip;
    }
    // A zstd file may begin with a frame to skip: 0x184D2A50 to 0x184D2A5F (RFC 8878, 3.1.2).
    const bool skippable =
        start.size() >= 4 && (start[0] & 0xF0) == 0x50 && start.substr(1, 3) == "\x2A\x4D\x18";
    if (skippable || start.starts_with("\x28\xB5\x2F\xFD")) {
        return Compression::zstd;
    }
    using namespace std::string_view_literals;
    constexpr std::pair<std::string_view, const char*> foreign[] = {{"\xFD"
                                                                     "7zXZ\0"sv,
                                                                     "xz"},
                                                                    {"BZh", "bzip2"},
                                                                    {"PK\3\4", "zip"},
                                                                    {"PAR1", "Parquet"},
                                                                    {"\x89HDF\r\n"sv, "HDF5"}};
    for (const auto& [magic, name] : foreign) {
        if (start.starts_with(magic) && (magic != "BZh" || start.find("1AY&SY") == 4)) {
            fail(ExitCode::bad_data,
                 "{}: is {}; text is read plain or as gzip or zstd: unpack it first", path, name);
        }
    }
    return Compression::none;
}

void decompress(const std::string& path, Compression compression, const Use& use) {
    LRD_CHECK(compression != Compression::none, "{} is not compressed", path);
    ByteReader file(path);
    compression == Compression::gzip ? gunzip(file, use) : unzstd(file, use);
}

}  // namespace lrd
