// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "core/exit_code.hpp"

namespace lrd {

/// The directory of a run, held by one job at a time. Rank 0 alone makes one.
class RunDirectory {
public:
    /// Makes the directory and takes `.lock` (host, pid, job, restart, heartbeat). HDF5's own locks
    /// do not keep a second writer out where sites switch them off. A lock is stale, and taken over
    /// with a notice, if its process is gone from this host, or was on another host and its
    /// heartbeat is 10 minutes old. Errors: busy, naming the holder; io.
    /// `option` is the setting that chose the path.
    explicit RunDirectory(std::string path, std::string option = "--out");
    ~RunDirectory();
    RunDirectory(const RunDirectory&) = delete;
    RunDirectory& operator=(const RunDirectory&) = delete;

    const std::string& path() const { return path_; }
    /// Tells others that we live, at most every 10 s. Error(busy) if another job took the lock over.
    void heartbeat() const;

    /// status.json: what batch scripts read besides the exit code.
    struct Status {
        std::string state;  // running | stopped | done | failed
        ExitCode code = ExitCode::done;
        std::int64_t step = 0, steps = 0, last_checkpoint = -1;
        std::string reason = {};
        int first_failing_rank = -1;
    };
    static void write_status(const std::string& path, const Status& status);

private:
    bool make_lock();
    void take_over();
    bool is_ours() const;

    std::string path_, lock_, option_;
    int file_ = -1;  // stays open: it knows whether the lock is still ours
    mutable double touched_ = 0.0;
};

}  // namespace lrd
