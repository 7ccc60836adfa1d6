// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "comm/communicator.hpp"

namespace lrd {

struct EvalOptions {
    std::string model;   // MODEL
    std::string tokens;  // folder of shards
    std::string split = "test";
    std::int64_t stride = 0;   // 0: windows side by side
    std::int64_t context = 0;  // 0: the model's
    std::string teacher;       // MODEL to compare with, or ""
    std::string per_document;  // file to write (.tsv), or ""
    std::int64_t micro_batch = 4;
    std::string device = "auto";
    std::int64_t threads = 0;
    bool json = false;
};

/// Scores a model on a split by the rules of README, "How models are scored".
int eval(const EvalOptions& options, Communicator& world);

}  // namespace lrd
