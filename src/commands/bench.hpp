// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace lrd {

struct BenchOptions {
    std::string config = "gpt2-small";      // a name of bench_configs()
    std::vector<std::int64_t> rank = {58};  // several: as many students on one teacher pass
    std::int64_t micro_batch = 2;
    std::int64_t context = 1024;
    std::string teacher = "online";
    std::string form = "lifted";
    std::string precision = "auto";
    std::int64_t steps = 3;  // timed, after one that warms up
    std::string device = "auto";
    std::int64_t threads = 0;
    bool recompute = false;
    std::string profile;  // file of a trace; "" = none
    bool sweep = false;   // tables of how the cost grows
    bool json = false;
};

/// Names for --config, for help and messages.
std::vector<std::string> bench_configs();

/// Times optimiser steps (one micro-batch each) of students against a random teacher of a given
/// size on random tokens.
int bench(const BenchOptions& options, Communicator& world);

}  // namespace lrd
