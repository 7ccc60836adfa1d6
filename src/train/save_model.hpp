// SPDX-License-Identifier: MIT
// Models that leave a run: one self-contained file, and the check that what was written is what was
// meant.
#pragma once

#include <string>

#include "model/weights.hpp"

namespace lrd {

/// Writes `file`, laid out as best/<student>.h5, with one student called "model" that needs no
/// teacher. `weights` have no lifted linear. fsynced and read back; to publish it is left to the
/// caller. Error(io).
void save_model(const std::string& file, const Weights& weights, const std::string& code_version);

/// Largest difference of logits, divided by the largest logit of `expected`, over a few windows of
/// random ids.
double logit_difference(Weights& expected, Weights& found);

}  // namespace lrd
