// SPDX-License-Identifier: MIT
// Metrics: rows arrive in both files, survive what a crash leaves, and are cut back on resume.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "example_metrics.hpp"
#include "expect_error.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"

namespace lrd {
namespace {

using Steps = std::vector<std::int64_t>;

class Metrics : public testing::Test {
protected:
    Steps steps(const std::string& group = "/students/lrc/train") const {
        return h5::File::open(directory / "metrics.h5").read<std::int64_t>(group + "/step");
    }
    std::vector<Json> lines() const {
        std::vector<Json> rows;
        const std::string text = read_text(directory / "log.jsonl");
        for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos;
             at = end + 1) {
            rows.push_back(Json::parse(text.substr(at, end - at), "log.jsonl"));
        }
        return rows;
    }
    MetricsWriter started(std::int64_t rows) const {
        MetricsWriter writer = test::example_writer(directory.path());
        writer.truncate_after(-1);
        for (std::int64_t step = 1; step <= rows; ++step) {
            test::append_example_rows(writer, step);
            EXPECT_TRUE(writer.flush());
        }
        return writer;
    }

    const test::TemporaryDirectory directory;
};

TEST_F(Metrics, RowsArriveInBothFiles) {
    MetricsWriter writer = started(3);
    writer.event(3, "skip", Json::object({{"student", "lrc"}}));
    writer.flush();
    const h5::File file = h5::File::open(directory / "metrics.h5");
    EXPECT_EQ(steps(), (Steps{1, 2, 3}));
    EXPECT_EQ(file.read<double>("/students/lrc/train/loss"),
              (std::vector<double>{1, 0.5, 1.0 / 3}));
    EXPECT_TRUE(std::isnan(file.read<double>("/students/lrc/train/lr").at(0)));  // left out
    EXPECT_EQ(file.read<std::int64_t>("/train/tokens"), (Steps{1024, 2048, 3072}));
    EXPECT_EQ(file.info("/students/lrc/taps/loss_clone_tap").shape, (h5::Shape{3, 3, 2}));
    EXPECT_EQ(file.read_rows<double>("/students/lrc/taps/loss_clone_tap", 2, 1).at(5), 3.21);
    EXPECT_EQ(file.attribute_text("/students/lrc/train/loss", "units"), "nat per token");
    EXPECT_EQ(file.attribute_text("/", "config_toml"), "[run]\nseed = 1\n");
    ASSERT_EQ(lines().size(), 10U);
    EXPECT_EQ(lines().at(1).dump(), R"({"kind": "metrics", "group": "/students/lrc/train", )"
                                    R"("student": "lrc", "step": 1, "loss": 1.0})");
    EXPECT_EQ(lines().at(9).at("event").as_string(), "skip");
}

TEST_F(Metrics, ResumeCutsBackToTheCheckpoint) {
    started(5);
    MetricsWriter writer = test::example_writer(directory.path());
    writer.truncate_after(3);
    EXPECT_EQ(steps(), (Steps{1, 2, 3}));
    EXPECT_EQ(lines().size(), 9U);
    test::append_example_rows(writer, 4);
    EXPECT_TRUE(writer.flush());
    EXPECT_EQ(steps(), (Steps{1, 2, 3, 4}));
    EXPECT_EQ(h5::File::open(directory / "metrics.h5").read<double>("/students/lrc/train/loss"),
              (std::vector<double>{1, 0.5, 1.0 / 3, 0.25}));
    writer.truncate_after(-1);
    EXPECT_TRUE(steps().empty());
}

TEST_F(Metrics, LogIsEnoughToRebuildADamagedFile) {
    started(4);
    publish_text(directory / "metrics.h5", "damaged by a crash");
    const std::string log = read_text(directory / "log.jsonl");
    publish_text(directory / "log.jsonl", log + "{\"kind\": \"metrics\", \"gro");  // torn line
    test::example_writer(directory.path()).truncate_after(4);
    EXPECT_EQ(steps(), (Steps{1, 2, 3, 4}));
    EXPECT_EQ(read_text(directory / "log.jsonl"), log);
}

TEST_F(Metrics, RowsWaitWhileAReaderHoldsTheFile) {
    MetricsWriter writer = started(1);
    const int reader = open((directory / "metrics.h5").c_str(), O_RDONLY);
    ASSERT_EQ(flock(reader, LOCK_SH), 0);  // as h5py does
    test::append_example_rows(writer, 2);
    EXPECT_FALSE(writer.flush());
    EXPECT_EQ(lines().size(), 6U);  // the log does not wait
    EXPECT_EQ(steps(), Steps{1});
    close(reader);
    test::append_example_rows(writer, 3);
    EXPECT_TRUE(writer.flush());
    EXPECT_EQ(steps(), (Steps{1, 2, 3}));
    EXPECT_EQ(lines().size(), 9U);
}

TEST_F(Metrics, ColumnsOfAFlushThatFailedHalfWayAreCutFirst) {
    MetricsWriter writer = started(2);
    h5::File file = h5::File::open_to_append(directory / "metrics.h5");
    file.append<std::int64_t>("/students/lrc/train/step", Steps{99});
    file.close();
    test::append_example_rows(writer, 3);
    EXPECT_TRUE(writer.flush());
    EXPECT_EQ(steps(), (Steps{1, 2, 3}));
}

TEST_F(Metrics, NothingIsLostOrGuessedWhenTheLogIsGone) {
    started(2);
    std::filesystem::remove(directory / "log.jsonl");
    EXPECT_ERROR(ExitCode::bad_data, "log.jsonl is gone",
                 test::example_writer(directory.path()).truncate_after(2));
    EXPECT_EQ(steps(), (Steps{1, 2}));
}

TEST_F(Metrics, WrongRowsAreNamed) {
    MetricsWriter writer = started(1);
    EXPECT_ERROR(ExitCode::bad_data, "/none", writer.append("/none", 2, Json::object()));
    EXPECT_ERROR(ExitCode::bad_data, "loss_clone_tap has 2 values instead of 6",
                 writer.append("/students/lrc/taps", 2,
                               Json::object({{"loss_clone_tap", std::vector<double>{1, 2}}})));
    EXPECT_ERROR(ExitCode::internal, "no column typo",
                 writer.append("/train", 2, Json::object({{"typo", 1}})));
    publish_text(directory / "log.jsonl", "{}\n");
    EXPECT_ERROR(ExitCode::bad_data, "step", writer.truncate_after(1));
}

}  // namespace
}  // namespace lrd
