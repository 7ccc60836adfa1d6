// SPDX-License-Identifier: MIT
// What each op of a profile took, beside what this machine can do.
#pragma once

#include <string>
#include <vector>

#include "core/profile.hpp"
#include "io/json.hpp"
#include "kernels/backend.hpp"

namespace lrd {

/// Of one rank, as measured here while all ranks measure.
struct MachineRates {
    double product = 0.0;  // FLOP/s of a large product, of what models are stored in
    double copy = 0.0;     // bytes/s of a copy of memory, read and written
};
MachineRates measure_rates(Backend& backend);

struct OpRow {
    std::string op;
    std::int64_t calls = 0;
    double seconds = 0.0;
    Cost cost = {};
    double peak = 0.0;  // share of the speed that the rates allow; 0: it does nothing countable
};

/// The ops of a profile, the longest first. An op can be no faster than its FLOPs at the rate of
/// products and its bytes at the rate of copies: `peak` is the larger of the two times over its own.
std::vector<OpRow> op_rows(const Profile& profile, const MachineRates& rates);
double seconds_of(const std::vector<OpRow>& rows);

/// {op: {calls, seconds, gflop_per_s, gb_per_s, peak_fraction}}
Json ops_json(const std::vector<OpRow>& rows);
/// The same in lines for people, with the rates; `seconds` is that of the steps profiled.
std::vector<std::string> ops_text(const std::vector<OpRow>& rows, const MachineRates& rates,
                                  double seconds);

}  // namespace lrd
