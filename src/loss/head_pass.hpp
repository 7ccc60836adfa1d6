// SPDX-License-Identifier: MIT
// The head and the losses on its logits, block of rows by block of rows: the logits of a whole
// micro-batch never exist, and the teacher's are computed once for all students.
#pragma once

#include <span>
#include <string>

#include "loss/teacher.hpp"

namespace lrd {

/// One student in a pass. Views are of all N rows of the batch.
struct HeadTerm {
    Gpt2* model = nullptr;
    float tau = 1.0F, w_kd = 0.0F, w_lm = 0.0F;
    bool wants_kd = true;   // needs the teacher's logits
    View kd_rows, lm_rows;  // (N) out
    View kd_sum, lm_sum;    // (1) +=
    View top1 = {};         // (N) i32 out, or none: the token ranked first
    View label_ranks = {};  // (N) i32 out, or none: where the label ranks, from 0
};

class HeadPass {
public:
    /// Buffers for blocks of logits over V tokens; two of them with a teacher.
    HeadPass(Backend& backend, std::int64_t vocabulary, std::int64_t max_rows, bool with_teacher);

    /// Losses of every student for the batch that its model has forwarded
    /// and that the teacher has at hand.
    /// With `gradient`: d_hidden of each model out, gradients of its head +=, both times `scale`.
    /// labels (N) i32; teacher_top1 (N) i32 out, or none.
    void run(Teacher* teacher, std::span<const HeadTerm> students, const View& labels, float scale,
             bool gradient, const View& teacher_top1 = {});

    std::int64_t block_rows() const { return block_rows_; }
    const Arena& arena() const { return arena_; }

private:
    void run_block(const HeadTerm& student, const View& z_t, const TopK* top, const View& labels,
                   std::int64_t begin, std::int64_t end, float scale, bool gradient);

    Backend& backend_;
    std::int64_t block_rows_;
    Arena arena_;
    View z_s_, z_t_;  // (block_rows, V)
    View d_z_;        // the same of the gradient, where products take another dtype than z_s_ has
};

}  // namespace lrd
