// SPDX-License-Identifier: MIT
// What a student loses where its teacher is known by its K largest logits alone.
#pragma once

#include <vector>

#include "data/batch_source.hpp"
#include "train/student.hpp"
#include "train/trainer.hpp"

namespace lrd {

/// Means over the tokens of a sample.
struct TopKBias {
    double exact = 0.0;    // τ²·KL to the whole distribution
    double bound = 0.0;    // … of the K largest with the rest as one bucket: never more
    double missing = 0.0;  // mass of the rest at τ
    double cosine = 0.0;   // between both gradients with respect to the logits
};

/// For each student on `windows` samples of `source`; all of this rank alone. Students without a kd
/// term have zeros.
std::vector<TopKBias> measure_top_k_bias(Teacher& teacher, Students& students, BatchSource& source,
                                         std::int64_t K, BatchShape capacity, std::int64_t windows);

}  // namespace lrd
