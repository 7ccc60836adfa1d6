// SPDX-License-Identifier: MIT
// Teachers, students and batches for tests: seeded, and exact in fp32, so that a device computes on
// the same numbers as the reference.
#pragma once

#include "reference/reference_student.hpp"

namespace lrd::reference {

enum class Teacher {
    plain,
    /// As trained GPT-2 is (theory.md E22): three residual channels × 100 at position 0, and logits
    /// near −100.
    outlier,
};
Model random_teacher(const Sizes& sizes, std::uint32_t seed, Teacher kind = Teacher::plain);

struct LinearForm {
    std::string form;      // "dense" | "factored" | "lifted"
    std::size_t rank = 0;  // unused for dense
};
/// Random factors, not the teacher's SVD, so that no gradient vanishes; what is not factored starts
/// near the teacher. `forms`: one for all linears, or 4 L. embedding_rank 0: dense. A student of an
/// outlier teacher has its outliers and logits near −100 too.
Model random_student(const Sizes& sizes, const Model& teacher, const std::vector<LinearForm>& forms,
                     std::size_t embedding_rank, std::uint32_t seed, Teacher kind = Teacher::plain);

/// Every label is a token; with `padding` every fifth is −1.
Batch random_batch(const Sizes& sizes, std::size_t B, std::size_t T, std::uint32_t seed,
                   bool padding = false);

Matrix random_matrix(std::size_t rows, std::size_t cols, double stddev, std::uint32_t seed);

}  // namespace lrd::reference
