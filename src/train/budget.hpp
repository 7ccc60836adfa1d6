// SPDX-License-Identifier: MIT
// Budget: what a run takes and does, read off the objects that it is made of. A start prints it and
// `lrd plan` plans with it, so the two cannot differ.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/costs.hpp"
#include "model/parameter_table.hpp"

namespace lrd {

/// Parameters of a model by part; they add up to the table's count.
struct ModelSize {
    std::string name;
    std::vector<std::pair<std::string, std::int64_t>> parts;
    std::int64_t parameters = 0;
};
ModelSize model_size(const std::string& name, const ParameterTable& table);

struct Budget {
    struct Region {
        std::string name;
        std::int64_t bytes;
        bool from_start;      // touched before the first step: weights and optimisers
        bool shared = false;  // once for all ranks of a node
    };
    struct Work {
        std::string name;
        double per_token;  // FLOPs of each token
        double per_step;   // … of each rank and step, whatever its share of the tokens
    };

    // ---- memory of rank 0, in bytes
    std::vector<Region> memory;     // one per arena
    std::int64_t first_values = 0;  // on the host, while they are made, before activations are used
    std::int64_t saving = 0;        // on the host, while a checkpoint is written
    std::int64_t memory_sum() const;
    std::int64_t memory_peak() const;
    std::int64_t memory_shared() const;  // of memory_sum()

    // ---- models, teacher first
    std::vector<ModelSize> models;

    // ---- work; forward and backward together
    std::vector<Work> work;
    double evaluation_per_token = 0.0;    // FLOPs
    std::int64_t evaluation_targets = 0;  // of one evaluation
    std::int64_t evaluations = 0;
    std::int64_t ranks = 1, steps = 0, windows = 0, context = 0;
    std::int64_t global_batch = 0, micro_batch = 0;
    std::int64_t tokens_per_step() const { return global_batch * context; }
    double flops_per_token() const;
    double flops_per_step() const;       // of all ranks
    double flops_of_busiest() const;     // of a step, of the rank with most micro-batches
    double flops_of_evaluation() const;  // of one evaluation, of one rank
    // Of a teacher whose outputs are kept: what it takes when they are not there yet, and the steps
    // in which they are, of a run that begins without them.
    double cached_per_token = 0.0;  // FLOPs, counted in `work`
    double cached_steps = 0.0;
    double flops_of_run() const;         // of all ranks, without evaluations
    double flops_saved_busiest() const;  // by the cache, over the run, of the busiest rank

    // ---- disk, in bytes
    std::int64_t checkpoint = 0, best = 0;  // one of each: all students
    std::int64_t checkpoints = 0;           // that stand at the end, step 0 and those kept
    std::int64_t cache = 0;                 // of the teacher's outputs, in a folder
    std::string cache_sizes;                // the same with fewer layers, in words
};

/// The start-up budget, as lines of the log.
void log_budget(const Budget& budget);

}  // namespace lrd
