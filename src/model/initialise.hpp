// SPDX-License-Identifier: MIT
// First values of models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/weights.hpp"

namespace lrd {

/// What a student starts from. "svd": its linears and embedding are the teacher's best
/// approximations of their ranks (Eckart–Young; paper Assumption 3), the rest is the teacher's.
/// "random": nothing from the teacher; factors normal so that their product has GPT-2's spread,
/// biases 0, LayerNorms 1 and 0, positions N(0, 0.01).
struct Initialisation {
    Weights* student;
    std::string init;  // "svd" | "random"
    std::int64_t seed;
};

/// All students at once: each SVD of a teacher's weight is taken once. `teacher` may be null if
/// no init is "svd". Dense students with "svd" are copies of the teacher.
void initialise(const std::vector<Initialisation>& students, const Weights* teacher);

}  // namespace lrd
