// SPDX-License-Identifier: MIT
#pragma once

#include "commands/bench.hpp"
#include "io/json.hpp"
#include "kernels/backend.hpp"

namespace lrd {

/// How the cost of a step grows with T, with r and with the number of students, the rest being as
/// the options say: per table rows of the seconds measured, of these over those of the first row,
/// and of the same ratio by the FLOP model (products and attention). Collective.
Json bench_sweep(const BenchOptions& options, Backend& backend, Communicator& world);
void print_sweep(const Json& tables);

}  // namespace lrd
