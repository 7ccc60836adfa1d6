// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "expect_error.hpp"
#include "in_child.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "temporary_directory.hpp"
#include "train/process.hpp"
#include "train/run_directory.hpp"

namespace lrd::test {
namespace {

namespace fs = std::filesystem;

class RunDirectoryTest : public testing::Test {
protected:
    /// A lock as another process left it, with a heartbeat `age` seconds old.
    void leave_lock(const std::string& host, std::int64_t pid, const std::string& started,
                    int age) {
        make_directories(run_);
        const Json json =
            Json::object({{"host", host}, {"pid", pid}, {"started", started}, {"job", "4711"}});
        leave_text(json.dump(), age);
    }
    void leave_text(const std::string& text, int age) {
        make_directories(run_);
        write_text_and_fsync(lock_, text);
        fs::last_write_time(lock_, fs::file_time_type::clock::now() - std::chrono::seconds(age));
    }
    Json lock() const { return Json::parse(read_text(lock_), lock_); }

    TemporaryDirectory folder_;
    std::string run_ = folder_ / "a/run", lock_ = run_ + "/.lock";
    std::int64_t dead_ = dead_pid();

    static std::int64_t dead_pid() {
        const pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
        waitpid(child, nullptr, 0);
        return child;
    }
};

TEST_F(RunDirectoryTest, HoldsItsLockAndGivesItBack) {
    {
        const RunDirectory run(run_);
        EXPECT_EQ(lock().at("host").as_string(), host_name());
        EXPECT_EQ(lock().at("pid").as_int(), getpid());
        EXPECT_EQ(lock().at("started").as_string(), start_ticks(getpid()));
    }
    EXPECT_FALSE(fs::exists(lock_));
    const RunDirectory again(run_);
}

TEST_F(RunDirectoryTest, ASecondJobIsRefusedAndToldWhoHoldsIt) {
    const RunDirectory run(run_);
    const Outcome second = in_child([&] {
        const RunDirectory other(run_);
        return 0;
    });
    EXPECT_EQ(second.code, static_cast<int>(ExitCode::busy));
    EXPECT_NE(second.text.find("process " + std::to_string(getpid()) + " on " + host_name()),
              std::string::npos)
        << second.text;
    EXPECT_EQ(lock().at("pid").as_int(), getpid()) << "the refused job must leave the lock alone";
}

TEST_F(RunDirectoryTest, TheLockOfADeadProcessIsTakenOver) {
    leave_lock(host_name(), dead_, "1", 0);
    const RunDirectory run(run_);
    EXPECT_EQ(lock().at("pid").as_int(), getpid());
    EXPECT_FALSE(fs::exists(lock_ + ".takeover"));
}

TEST_F(RunDirectoryTest, APidThatIsUsedAgainIsAnotherProcess) {
    leave_lock(host_name(), getppid(), "1", 0);
    const RunDirectory run(run_);
    EXPECT_EQ(lock().at("pid").as_int(), getpid());
}

TEST_F(RunDirectoryTest, AProcessThatLivesHereIsNeverStale) {
    leave_lock(host_name(), getppid(), start_ticks(getppid()), 5000);
    EXPECT_ERROR(ExitCode::busy, "job 4711, heartbeat 500", RunDirectory(run_ + ""));
}

TEST_F(RunDirectoryTest, OnAnotherHostTheHeartbeatDecides) {
    leave_lock("elsewhere", dead_, "1", 300);
    EXPECT_ERROR(ExitCode::busy, "on elsewhere, job 4711, heartbeat 30", RunDirectory(run_ + ""));
    leave_lock("elsewhere", dead_, "1", 700);
    const RunDirectory run(run_);
    EXPECT_EQ(lock().at("pid").as_int(), getpid());
}

TEST_F(RunDirectoryTest, ATornLockIsJudgedByItsAge) {
    leave_text("{\"host\": \"el", 5);
    EXPECT_ERROR(ExitCode::busy, "an unknown host", RunDirectory(run_ + ""));
    leave_text("", 700);
    const RunDirectory run(run_);
}

TEST_F(RunDirectoryTest, OnlyOneJobTakesAStaleLockOver) {
    leave_lock(host_name(), dead_, "1", 0);
    write_text_and_fsync(lock_ + ".takeover", "");  // another job is at it
    EXPECT_ERROR(ExitCode::busy, "try again", RunDirectory(run_ + ""));
    EXPECT_EQ(lock().at("pid").as_int(), dead_);
    fs::last_write_time(lock_ + ".takeover",
                        fs::file_time_type::clock::now() - std::chrono::seconds(100));
    EXPECT_ERROR(ExitCode::busy, "try again", RunDirectory(run_ + ""));  // clears it away
    const RunDirectory run(run_);
}

TEST_F(RunDirectoryTest, HeartbeatTouchesTheLockAndNoticesItsLoss) {
    {
        const RunDirectory run(run_);
        fs::last_write_time(lock_, fs::file_time_type::clock::now() - std::chrono::seconds(500));
        run.heartbeat();
        EXPECT_LT(fs::file_time_type::clock::now() - fs::last_write_time(lock_),
                  std::chrono::seconds(100));
    }
    const RunDirectory run(run_);
    fs::remove(lock_);
    leave_lock("elsewhere", dead_, "1", 0);
    EXPECT_ERROR(ExitCode::busy, "took", run.heartbeat());
}

TEST_F(RunDirectoryTest, ALockThatAnotherJobTookOverIsNotRemoved) {
    {
        const RunDirectory run(run_);
        fs::remove(lock_);
        leave_lock("elsewhere", dead_, "1", 0);
    }
    EXPECT_EQ(lock().at("host").as_string(), "elsewhere");
}

TEST_F(RunDirectoryTest, StatusIsWhatScriptsRead) {
    make_directories(run_);
    RunDirectory::write_status(run_, {.state = "failed",
                                      .code = ExitCode::bad_data,
                                      .step = 7,
                                      .steps = 9,
                                      .last_checkpoint = 5,
                                      .reason = "why",
                                      .first_failing_rank = 1});
    const std::string file = run_ + "/status.json";
    const Json json = Json::parse(read_text(file), file);
    EXPECT_EQ(json.at("state").as_string(), "failed");
    EXPECT_EQ(json.at("code").as_int(), 65);
    EXPECT_EQ(json.at("step").as_int(), 7);
    EXPECT_EQ(json.at("steps").as_int(), 9);
    EXPECT_EQ(json.at("last_checkpoint").as_int(), 5);
    EXPECT_EQ(json.at("reason").as_string(), "why");
    EXPECT_EQ(json.at("first_failing_rank").as_int(), 1);
}

TEST_F(RunDirectoryTest, APlaceThatCannotBeIsAnIoError) {
    write_text_and_fsync(folder_ / "file", "");
    EXPECT_ERROR(ExitCode::io, "file", RunDirectory(folder_ / "file/run"));
}

}  // namespace
}  // namespace lrd::test
