// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "config/config.hpp"

namespace lrd {

struct PlanOptions {
    std::int64_t ranks = 0;  // of the run that is planned; 0: those that plan
    std::int64_t nodes = 1;
    double rate = 0.0;  // GFLOP/s of a rank; 0: unknown
    bool measure = false;
    std::string accelerator;  // "" or one of accelerators()
    bool json = false;
};
std::vector<std::string> accelerators();  ///< "" among them

/// What a run would take: parameters, memory, work, disk, time. Reads headers alone and writes
/// nothing; what does not fit is said and is no error.
int plan(const PlanOptions& options, const Config& config, Communicator& world);

}  // namespace lrd
