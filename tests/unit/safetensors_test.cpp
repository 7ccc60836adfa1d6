// SPDX-License-Identifier: MIT
// The safetensors reader: vectors of the format's authors, dtypes, everything that can be wrong with
// a header, and damage of every byte; the writer: bytes that do not depend on anything.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "expect_error.hpp"
#include "io/publish.hpp"
#include "io/safetensors.hpp"
#include "temporary_directory.hpp"

namespace lrd::safetensors {
namespace {

using test::TemporaryDirectory;

void put(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

/// A file of this header and these data.
std::string bytes_of(const std::string& header, const std::string& data) {
    const std::uint64_t length = header.size();
    std::string bytes(sizeof length, '\0');
    std::memcpy(bytes.data(), &length, sizeof length);
    return bytes + header + data;
}

class Safetensors : public testing::Test {
protected:
    std::vector<float> read(const std::string& name) {
        const File file = File::open(path_);
        const Tensor* tensor = file.find(name);
        EXPECT_NE(tensor, nullptr) << name;
        std::vector<float> all;
        file.read(*tensor, [&](std::uint64_t first, std::span<const float> values) {
            EXPECT_EQ(first, all.size());
            all.insert(all.end(), values.begin(), values.end());
        });
        return all;
    }
    void refused(const std::string& header, const std::string& data, const std::string& part) {
        put(path_, bytes_of(header, data));
        SCOPED_TRACE(header);
        EXPECT_ERROR(ExitCode::bad_data, part, File::open(path_));
        EXPECT_ERROR(ExitCode::bad_data, path_, File::open(path_));
    }

    TemporaryDirectory folder_;
    std::string path_ = folder_ / "model.safetensors";
};

TEST_F(Safetensors, VectorsOfTheAuthors) {
    const char* data = std::getenv("LRD_DATA");
    if (data == nullptr) {
        GTEST_SKIP() << "LRD_DATA is not set; it names the folder with safetensors-vectors";
    }
    const std::string folder = std::string(data) + "/safetensors-vectors/";
    std::ifstream manifest(folder + "MANIFEST.tsv");
    std::string line;
    std::getline(manifest, line);
    int files = 0;
    while (std::getline(manifest, line)) {
        std::istringstream fields(line);
        std::string name, bytes, expected;
        std::getline(fields, name, '\t');
        std::getline(fields, bytes, '\t');
        std::getline(fields, expected, '\t');
        ++files;
        if (expected == "ok") {
            EXPECT_NO_THROW(File::open(folder + name)) << name;
        } else {
            EXPECT_ERROR(ExitCode::bad_data, name, File::open(folder + name));
        }
    }
    EXPECT_EQ(files, 17);
}

TEST_F(Safetensors, ReadsF32F16AndBf16) {
    const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                               R"("b":{"dtype":"F16","shape":[2,3],"data_offsets":[8,20]},)"
                               R"("c":{"dtype":"BF16","shape":[],"data_offsets":[20,22]},)"
                               R"("d":{"dtype":"I64","shape":[1],"data_offsets":[22,30]}})";
    const float a[] = {1.5F, -3e38F};
    // 1, −2, the largest half, the smallest normal, the smallest subnormal, −0
    const std::uint16_t b[] = {0x3C00, 0xC000, 0x7BFF, 0x0400, 0x0001, 0x8000};
    const std::uint16_t c = 0xC049;  // the upper half of −3.140625
    std::string data(30, '\0');
    std::memcpy(data.data(), a, 8);
    std::memcpy(data.data() + 8, b, 12);
    std::memcpy(data.data() + 20, &c, 2);
    put(path_, bytes_of(header, data));
    EXPECT_EQ(read("a"), (std::vector<float>{1.5F, -3e38F}));
    EXPECT_EQ(read("b"), (std::vector<float>{1.0F, -2.0F, 65504.0F, std::ldexp(1.0F, -14),
                                             std::ldexp(1.0F, -24), -0.0F}));
    EXPECT_TRUE(std::signbit(read("b")[5]));
    EXPECT_EQ(read("c"), (std::vector<float>{-3.140625F}));
    EXPECT_ERROR(ExitCode::bad_data, "d is I64", read("d"));
}

TEST_F(Safetensors, ValuesThatAreNotFinite) {
    for (const auto& [dtype, bits] : {std::pair<std::string, std::string>{"F32", {0, 0, -64, 0x7F}},
                                      {"F16", {0, 0x7C}},
                                      {"BF16", {-128, 0x7F}}}) {
        const std::string size = std::to_string(bits.size());
        put(path_, bytes_of(R"({"w":{"dtype":")" + dtype + R"(","shape":[1],"data_offsets":[0,)" +
                                size + "]}}",
                            bits));
        EXPECT_ERROR(ExitCode::bad_data, "w holds values that are not finite", read("w"));
    }
}

TEST_F(Safetensors, HeadersThatLie) {
    const std::string eight(8, '\0');
    const auto one = [](const std::string& shape, const std::string& offsets) {
        return R"({"w":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
    };
    refused("[]", "", "no JSON object");
    refused("{", "", "not JSON");
    refused(one("[2]", "[0,8]") + "x", eight, "not JSON");
    refused(one("[3]", "[0,8]"), eight, "8 bytes, which are not [3] F32");
    refused(one("[2]", "[0,8]"), eight + "x", "70 bytes are expected, the file has 71");
    refused(one("[1]", "[4,8]"), eight, "leaves a hole");
    refused(one("[2]", "[0,12]"), eight, "outside of the 8 bytes");
    refused(one("[2]", "[8,0]"), eight, "outside");
    refused(one("[2]", "[0]"), eight, "outside");
    refused(one("[-2]", "[0,8]"), eight, "-2 is no size");
    refused(one("[2.0]", "[0,8]"), eight, "no size");
    refused(one("2", "[0,8]"), eight, "no list");
    refused(one("[4294967296,4294967296,4]", "[0,8]"), eight, "8 bytes, which are not");
    refused(R"({"w":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})", eight, "F33");
    refused(R"({"w":{"dtype":3,"shape":[2],"data_offsets":[0,8]}})", eight, "dtype 3");
    refused(R"({"w":{"shape":[2],"data_offsets":[0,8]}})", eight, "w has no dtype");
    refused(R"({"w":[]})", "", "w has no dtype");
    refused(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
            R"("w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
            eight, "twice");
    refused(R"({"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
            R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
            eight, "overlaps");
    refused(R"({"__metadata__":{"format":1}})", "", "format is no text");
    refused(R"({"__metadata__":[]})", "", "no JSON object");
    EXPECT_ERROR(ExitCode::missing_input, "nowhere", File::open(folder_ / "nowhere"));
    EXPECT_ERROR(ExitCode::bad_data, "not a file", File::open(folder_.path()));
}

TEST_F(Safetensors, WritesTheSameBytesInAnyOrder) {
    const Source a{"a", {2, 3}, [] { return std::vector<float>{1, 2, 3, 4, 5, 6}; }};
    const Source b{"b", {1}, [] { return std::vector<float>{-7}; }};
    write(path_, {b, a}, {{"format", "pt"}});
    const std::string bytes = read_text(path_);
    write(path_, {a, b}, {{"format", "pt"}});
    EXPECT_EQ(read_text(path_), bytes);
    EXPECT_EQ((bytes.size() - 7 * sizeof(float)) % 8, 0U);
    EXPECT_EQ(read("a"), a.values());
    EXPECT_EQ(read("b"), b.values());
    const File file = File::open(path_);
    EXPECT_EQ(file.tensors().front().shape, a.shape);
    ASSERT_EQ(file.metadata().size(), 1U);
    EXPECT_EQ(file.metadata().front().second, "pt");
}

/// All that a reader may say of a damaged file.
std::string contents(const std::string& path) {
    std::ostringstream all;
    try {
        const File file = File::open(path);
        for (const Tensor& tensor : file.tensors()) {
            all << tensor.name << tensor.dtype << tensor.shape_text();
            file.read(tensor, [&](std::uint64_t, std::span<const float> values) {
                for (const float x : values) {
                    all << " " << x;
                }
            });
        }
        return all.str();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::bad_data) << error.what();
        return "error";
    }
}

TEST_F(Safetensors, EveryCutIsAnError) {
    write(path_, {{"wte", {2, 2}, [] { return std::vector<float>{1, 2, 3, 4}; }}}, {});
    const std::string whole = read_text(path_);
    ASSERT_NE(contents(path_), "error");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        put(path_, whole.substr(0, size));
        ASSERT_EQ(contents(path_), "error") << size;
    }
}

TEST_F(Safetensors, EveryFlippedBitIsAnErrorOrAnotherTextOrValue) {
    write(path_,
          {{"wte",
            {2, 2},
            [] {
                return std::vector<float>{1, 2, 3, 4};
            }}},
          {{"format", "pt"}});
    const std::string whole = read_text(path_);
    int errors = 0;
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string damaged = whole;
            damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
            put(path_, damaged);
            errors += contents(path_) == "error" ? 1 : 0;
        }
    }
    // The length, the braces, keys, dtype, sizes and places: most of the header is guarded.
    EXPECT_GT(errors, 500);
}

}  // namespace
}  // namespace lrd::safetensors
