// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "model/sampling.hpp"

namespace lrd {

struct GenerateOptions {
    std::string model;                    // MODEL
    std::vector<std::string> prompt;      // texts
    std::vector<std::string> prompt_ids;  // "1,2,3" each; neither: stdin
    bool lines = false;                   // every line of stdin is a prompt
    std::string tokenizer;                // folder, or "": the one that the model came with
    std::int64_t max_new = 128;
    Sampling sampling;
    std::int64_t seed = 1;
    std::int64_t stop_id = -1;  // -1: the tokenizer's end-of-text token
    std::int64_t batch = 8;     // prompts side by side
    std::string device = "auto";
    std::int64_t threads = 0;
    std::string precision = "fp32";
    bool json = false;
};

/// Continues prompts; texts or JSON on stdout. Rank 0 works, others have nothing to do.
int generate(const GenerateOptions& options, Communicator& world);

}  // namespace lrd
