// SPDX-License-Identifier: MIT
// What linears and the embedding are made of, by the names of a model's tensors.
#pragma once

#include "reference/reference_student.hpp"

namespace lrd::reference {

/// Wᵀ (n, m) of a linear. `teacher` has the frozen W of lifted ones.
Matrix merged(const Model& model, const Model& teacher, const std::string& name);
/// Gradients of the tensors behind a linear from d_w_t (n, m), that of Wᵀ.
void pull_back(const Model& model, const Model& teacher, const std::string& name,
               const Matrix& d_w_t, Model& gradient);

Matrix merged_embedding(const Model& model);  // (V, C)
void pull_back_embedding(const Model& model, const Matrix& d_e, Model& gradient);

}  // namespace lrd::reference
