// SPDX-License-Identifier: MIT
// Publishing, digests and JSON.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <stdexcept>

#include "expect_error.hpp"
#include "io/digest.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

using test::TemporaryDirectory;

std::size_t entries(const std::string& path) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path)) {
        ++count;
    }
    return count;
}

TEST(Publish, ReplacesAFileWhole) {
    const TemporaryDirectory directory;
    const std::string path = directory / "status.json";
    publish_text(path, "one");
    publish_text(path, "two");
    EXPECT_EQ(read_text(path), "two");
    EXPECT_EQ(entries(directory.path()), 1U);
}

TEST(Publish, LeavesNothingWhenTheWriterThrows) {
    const TemporaryDirectory directory;
    const std::string path = directory / "state.h5";
    publish_text(path, "old");
    const auto half = [](const std::string& name) {
        std::ofstream(name) << "half of the new";
        throw std::runtime_error("writer");
    };
    EXPECT_THROW(publish_file(path, half), std::runtime_error);
    EXPECT_EQ(read_text(path), "old");
    EXPECT_EQ(entries(directory.path()), 1U);
}

TEST(Publish, WriterSeesATemporaryNameBesideTheFile) {
    const TemporaryDirectory directory;
    publish_file(directory / "a.txt", [&](const std::string& name) {
        EXPECT_EQ(std::filesystem::path(name).parent_path(), directory.path());
        EXPECT_NE(std::filesystem::path(name).filename(), "a.txt");
        EXPECT_FALSE(std::filesystem::exists(directory / "a.txt"));
        write_text_and_fsync(name, "x");
    });
    EXPECT_EQ(read_text(directory / "a.txt"), "x");
}

TEST(Publish, DirectoryTakesItsNameOnce) {
    const TemporaryDirectory directory;
    for (const char* name : {".tmp-a", ".tmp-b"}) {
        make_directories(directory / name);
        publish_text(directory / name + "/manifest.json", name);
    }
    publish_directory(directory / ".tmp-a", directory / "step-1");
    EXPECT_EQ(read_text(directory / "step-1/manifest.json"), ".tmp-a");
    EXPECT_ERROR(ExitCode::io, "step-1",
                 publish_directory(directory / ".tmp-b", directory / "step-1"));
    EXPECT_EQ(read_text(directory / "step-1/manifest.json"), ".tmp-a");
}

TEST(Publish, ErrorsNameThePath) {
    const TemporaryDirectory directory;
    EXPECT_ERROR(ExitCode::io, "nowhere", publish_text(directory / "nowhere/a", "x"));
    EXPECT_ERROR(ExitCode::io, "bytes are needed",
                 require_free_bytes(directory / "new/file", std::uint64_t{1} << 62));
    EXPECT_NO_THROW(require_free_bytes(directory / "new/file", 1));
    EXPECT_ERROR(ExitCode::missing_input, "nothing", read_text(directory / "nothing"));
    EXPECT_ERROR(ExitCode::io, "/dev/full", write_text_and_fsync("/dev/full", "x"));
    EXPECT_ERROR(ExitCode::io, "nowhere/a", require_publishable(directory / "nowhere/a"));
    EXPECT_ERROR(ExitCode::io, "is a folder", require_publishable(directory.path()));
    require_publishable(directory / "empty");
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
    publish_text(directory / "empty", "");
    EXPECT_EQ(read_text(directory / "empty"), "");
}

// FIPS 180-2, appendix B; the xxhash values are what xxh128sum prints.
TEST(Digest, KnownValues) {
    const TemporaryDirectory directory;
    const std::string abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    EXPECT_EQ(sha256("abc"), abc);
    publish_text(directory / "abc", "abc");
    EXPECT_EQ(sha256_file(directory / "abc"), abc);
    Sha256 pieces;
    pieces.add("a", 1);
    pieces.add("bc", 2);
    EXPECT_EQ(pieces.hex(), abc);
    EXPECT_EQ(xxh3_128("", 0), "99aa06d3014798d86001c324468d497f");
    EXPECT_ERROR(ExitCode::missing_input, "nothing", sha256_file(directory / "nothing"));
}

TEST(JsonValue, KeepsOrderAndBits) {
    const std::string text =
        R"({"z": 1, "a": [true, null, -2.5e-300, "x\"\\\n\u0001é"], "m": {"k": 0.1}})";
    const Json value = Json::parse(text, "test");
    EXPECT_EQ(value.as_object()[0].first, "z");
    EXPECT_EQ(value.at("a").at(2).as_double(), -2.5e-300);
    EXPECT_EQ(value.at("a").at(3).as_string(), "x\"\\\n\001\xC3\xA9");
    EXPECT_EQ(value.dump(), text);
    EXPECT_EQ(Json::parse(value.dump(2), "pretty"), value);
    for (const double x : {0.1 + 0.2, 1.0 / 3.0, 5e-324, 1.7976931348623157e308, 2.0, -0.0}) {
        const Json back = Json::parse(Json(x).dump(), "double");
        EXPECT_FALSE(back.is_int());
        EXPECT_EQ(std::signbit(back.as_double()), std::signbit(x));
        EXPECT_EQ(back.as_double(), x);
    }
    EXPECT_EQ(Json::parse("9223372036854775807", "int").as_int(),
              std::numeric_limits<std::int64_t>::max());
}

TEST(JsonValue, BuildsAndCopies) {
    Json value = Json::object({{"steps", 3}, {"loss", std::nan("")}});
    value["rows"].push(1.5);
    value["rows"].push("text");
    value["steps"] = 4;
    const Json copy = value;
    value["rows"].push(false);
    EXPECT_EQ(copy.dump(), R"({"steps": 4, "loss": null, "rows": [1.5, "text"]})");
    EXPECT_EQ(value.at("rows").size(), 3U);
    EXPECT_TRUE(std::isnan(copy.at("loss").as_double()));
    EXPECT_EQ(Json(std::string("a\xFFz\xED\xA0\x80")).dump(),
              "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    EXPECT_EQ(Json::array().dump(2) + Json::object().dump(2), "[]{}");
}

TEST(JsonValue, RefusesWhatIsAmbiguousOrDeep) {
    EXPECT_ERROR(ExitCode::bad_data, "f.json: key \"a\" is given twice",
                 Json::parse(R"({"a": 1, "b": {"a": 2}, "a": 3})", "f.json"));
    EXPECT_NO_THROW(Json::parse(R"([{"a": 1}, {"a": 2}])", "f.json"));
    const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
    EXPECT_NO_THROW(Json::parse(nested(64), "f.json"));
    EXPECT_ERROR(ExitCode::bad_data, "64 levels", Json::parse(nested(65), "f.json"));
    EXPECT_ERROR(ExitCode::bad_data, "64 levels",
                 Json::parse(std::string(1'000'000, '['), "f.json"));
    for (const char* bad : {"", "{", "[1,]", "nan", "{} x", "{\"a\" 1}", "\"\xFF\""}) {
        EXPECT_ERROR(ExitCode::bad_data, "f.json: not JSON at byte", Json::parse(bad, "f.json"));
    }
}

TEST(JsonValue, SaysWhatItFoundInstead) {
    const Json value = Json::parse(R"({"a": "x"})", "test");
    EXPECT_ERROR(ExitCode::bad_data, "expected an integer, found a string", value.at("a").as_int());
    EXPECT_ERROR(ExitCode::bad_data, "\"b\" is missing", value.at("b"));
    EXPECT_ERROR(ExitCode::bad_data, "no item 3", Json::array({1}).at(3));
    EXPECT_EQ(value.find("b"), nullptr);
}

}  // namespace
}  // namespace lrd
