// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace lrd {

struct EvalOptions {
    std::string model;               // MODEL
    std::string tokens;              // folder of shards, or one shard
    std::vector<std::string> split;  // several, or "all"; none: test of a folder, a shard's own
    std::int64_t stride = 0;         // 0: windows side by side
    std::int64_t context = 0;        // 0: the model's
    std::string teacher;             // MODEL to compare with, or ""
    std::string per_document;        // HDF5 file to write, or ""
    std::string precision = "fp32";
    std::int64_t micro_batch = 4;
    std::string device = "auto";
    std::int64_t threads = 0;
    bool json = false;
};

/// How figures come about, for --help.
const char* eval_conventions();

/// Scores a model on splits by these conventions.
int eval(const EvalOptions& options, Communicator& world);

}  // namespace lrd
