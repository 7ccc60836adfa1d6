// SPDX-License-Identifier: MIT
// When a run stops before its last step: signals, --max-time, and files that a user touches.
#pragma once

#include <string>

#include "comm/communicator.hpp"

namespace lrd {

struct StopDecision {
    bool stop = false;        // save and exit with ExitCode::stopped
    bool checkpoint = false;  // save and go on
    std::string reason;       // "SIGUSR1", "STOP", "max_time"
};

class StopConditions {
public:
    /// SIGUSR1, SIGTERM and SIGINT are caught from here on; a second one ends the process at once.
    /// `max_time` "" = none; it counts from the start of the process.
    StopConditions(std::string run_directory, const std::string& max_time);
    ~StopConditions();
    StopConditions(const StopConditions&) = delete;
    StopConditions& operator=(const StopConditions&) = delete;

    /// The same answer on all ranks (a signal to one is one to all); called once per step. Files
    /// are removed when they are obeyed.
    StopDecision poll(Communicator& world);
    /// The time of a step and of a save, from which the margin before max_time is reckoned.
    void note_step(double seconds) {
        slowest_step_ = seconds > slowest_step_ ? seconds : slowest_step_;
    }
    void note_save(double seconds) {
        slowest_save_ = seconds > slowest_save_ ? seconds : slowest_save_;
    }

private:
    bool take_file(const std::string& name) const;

    std::string run_;
    double deadline_;  // on the monotonic clock
    double end_of_job_ = 0.0, slowest_step_ = 0.0, slowest_save_ = 0.0;
};

}  // namespace lrd
