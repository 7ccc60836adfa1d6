// SPDX-License-Identifier: MIT
// What stops one rank stops all, in the same step.
#include "train/stop.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>

#include "mpi/mpi_main.hpp"
#include "temporary_directory.hpp"

namespace lrd::test {
namespace {

/// One directory for all ranks, made and removed by rank 0.
class SharedDirectory {
public:
    SharedDirectory() {
        if (world().rank() == 0) {
            owned_ = std::make_unique<TemporaryDirectory>();
            path_ = owned_->path();
        }
        world().broadcast(path_, 0);
    }
    ~SharedDirectory() { world().barrier(); }
    SharedDirectory(const SharedDirectory&) = delete;
    SharedDirectory& operator=(const SharedDirectory&) = delete;

    const std::string& path() const { return path_; }
    std::string touch(const std::string& name) const {
        const std::string file = path_ + "/" + name;
        if (world().rank() == 0) {
            std::ofstream(file) << "";
        }
        world().barrier();
        return file;
    }

private:
    std::unique_ptr<TemporaryDirectory> owned_;
    std::string path_;
};

TEST(Stop, NothingStopsWithoutACause) {
    const SharedDirectory run;
    StopConditions stop(run.path(), "");
    stop.note_save(1e9);  // no max_time, no margin
    const StopDecision decision = stop.poll(world());
    EXPECT_FALSE(decision.stop);
    EXPECT_FALSE(decision.checkpoint);
    EXPECT_EQ(decision.reason, "");
}

void expect_stop_by(int signal, const std::string& reason) {
    const SharedDirectory run;
    StopConditions stop(run.path(), "");
    EXPECT_FALSE(stop.poll(world()).stop);
    if (world().rank() == world().size() - 1) {
        std::raise(signal);
    }
    const StopDecision decision = stop.poll(world());
    EXPECT_TRUE(decision.stop);
    EXPECT_EQ(decision.reason, reason);
}

TEST(Stop, Sigusr1OfOneRankStopsAll) { expect_stop_by(SIGUSR1, "SIGUSR1"); }
TEST(Stop, SigtermOfOneRankStopsAll) { expect_stop_by(SIGTERM, "SIGTERM"); }
TEST(Stop, SigintOfOneRankStopsAll) { expect_stop_by(SIGINT, "SIGINT"); }

TEST(Stop, FileStopStopsAllAndIsRemoved) {
    const SharedDirectory run;
    StopConditions stop(run.path(), "");
    const std::string file = run.touch("STOP");
    const StopDecision decision = stop.poll(world());
    EXPECT_TRUE(decision.stop);
    EXPECT_NE(decision.reason.find("STOP"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(file));
    EXPECT_FALSE(stop.poll(world()).stop);
}

TEST(Stop, FileCheckpointNowSavesAndGoesOn) {
    const SharedDirectory run;
    StopConditions stop(run.path(), "");
    const std::string file = run.touch("CHECKPOINT_NOW");
    const StopDecision decision = stop.poll(world());
    EXPECT_TRUE(decision.checkpoint);
    EXPECT_FALSE(decision.stop);
    EXPECT_FALSE(std::filesystem::exists(file));
    EXPECT_FALSE(stop.poll(world()).checkpoint);
}

TEST(Stop, MaxTimeLeavesRoomForTwoSavesAndAStep) {
    const SharedDirectory run;
    StopConditions stop(run.path(), "1h");
    EXPECT_FALSE(stop.poll(world()).stop);
    if (world().rank() == world().size() - 1) {
        stop.note_save(1000.0);
        stop.note_save(900.0);
        stop.note_step(1400.0);  // 2·1000 + 1400 + 60 < 3600
    }
    EXPECT_FALSE(stop.poll(world()).stop);
    if (world().rank() == world().size() - 1) {
        stop.note_step(1580.0);  // 2·1000 + 1580 + 60 > 3600
    }
    const StopDecision decision = stop.poll(world());
    EXPECT_TRUE(decision.stop);
    EXPECT_EQ(decision.reason, "max_time");
}

TEST(Stop, ShortMaxTimeIsNotEatenByTheMargin) {
    const SharedDirectory run;
    StopConditions stop(run.path(), "50s");
    EXPECT_FALSE(stop.poll(world()).stop);
    EXPECT_TRUE(StopConditions(run.path(), "0").poll(world()).stop);
}

}  // namespace
}  // namespace lrd::test
