// SPDX-License-Identifier: MIT
// A profile of all ranks as a Chrome trace (data/README.md, "Traces").
#pragma once

#include <string>

#include "comm/communicator.hpp"
#include "core/profile.hpp"
#include "train/op_table.hpp"

namespace lrd {

/// What this rank's clock shows when rank 0's shows what it gets; collective. Clocks of nodes count
/// from anything, so they are compared at barriers, from which no rank comes early.
double common_zero(Communicator& world);

/// Rank 0 publishes `path` with the spans of all ranks, in microseconds since each rank's `zero`;
/// collective. `about` are facts that stand beside them, besides the ops of rank 0.
void write_trace(const std::string& path, const Profile& profile, double zero,
                 const std::vector<OpRow>& ops, const MachineRates& rates, Json about,
                 Communicator& world);

}  // namespace lrd
