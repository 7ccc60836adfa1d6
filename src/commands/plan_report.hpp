// SPDX-License-Identifier: MIT
// A plan as JSON and as text; the text is made from the JSON.
#pragma once

#include "io/json.hpp"
#include "train/budget.hpp"

namespace lrd {

struct Accelerator {
    const char* name;
    double memory;      // bytes
    double fp32, bf16;  // FLOP/s at its best
};

struct PlanTime {
    double rate = 0.0;                    // FLOP/s of a rank
    double step = 0.0, evaluation = 0.0;  // seconds of one
};

struct Plan {
    Budget budget;
    PlanTime time;  // rate 0: unknown
    std::int64_t threads = 1, ranks_of_node = 1;
    std::int64_t process = 0;      // bytes of a rank that has nothing yet: program, MPI, libraries
    std::int64_t node_memory = 0;  // bytes
    std::int64_t free_disk = 0;    // bytes where the run directory is or would be
    const Accelerator* accelerator = nullptr;
};

Json plan_json(const Plan& plan);
void print_plan(const Plan& plan);

}  // namespace lrd
