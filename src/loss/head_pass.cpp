// SPDX-License-Identifier: MIT
#include "loss/head_pass.hpp"

#include <algorithm>

namespace lrd {
namespace {

/// About 16 Mi logits per block, so that products are large and buffers are not.
std::int64_t choose_block_rows(std::int64_t vocabulary, std::int64_t max_rows) {
    constexpr std::int64_t logits = std::int64_t{1} << 24;
    const std::int64_t rows = std::clamp<std::int64_t>(logits / vocabulary / 32 * 32, 32, 1024);
    return std::min(rows, max_rows);
}

}  // namespace

HeadPass::HeadPass(Backend& backend, std::int64_t vocabulary, std::int64_t max_rows,
                   bool with_teacher)
    : backend_(backend),
      block_rows_(choose_block_rows(vocabulary, max_rows)),
      arena_(backend, "head") {
    z_s_ = arena_.region("student logits", DType::f32, {block_rows_, vocabulary});
    if (backend.stored() != DType::f32) {
        d_z_ = arena_.region("gradient of logits", backend.stored(), {block_rows_, vocabulary});
    }
    if (with_teacher) {
        z_t_ = arena_.region("teacher logits", DType::f32, {block_rows_, vocabulary});
    }
}

void HeadPass::run(Teacher* teacher, std::span<const HeadTerm> students, const View& labels,
                   float scale, bool gradient, const View& teacher_top1) {
    const std::int64_t rows = labels.dim(0);
    for (std::int64_t begin = 0; begin < rows; begin += block_rows_) {
        const std::int64_t end = std::min(begin + block_rows_, rows);
        View z_t;
        const TopK* top = teacher != nullptr ? teacher->top_k() : nullptr;
        const bool wanted = std::any_of(students.begin(), students.end(),
                                        [](const HeadTerm& s) { return s.wants_kd; });
        if (teacher != nullptr && top == nullptr && (wanted || teacher_top1)) {
            z_t = z_t_.slice(0, end - begin);
            teacher->logits(z_t, begin, end);
            if (teacher_top1) {
                backend_.argmax_rows(teacher_top1.slice(begin, end), z_t);
            }
        }
        for (const HeadTerm& student : students) {
            run_block(student, z_t, top, labels, begin, end, scale, gradient);
        }
    }
}

void HeadPass::run_block(const HeadTerm& s, const View& z_t, const TopK* top, const View& labels,
                         std::int64_t begin, std::int64_t end, float scale, bool gradient) {
    const View z_s = z_s_.slice(0, end - begin);
    const View kd = s.kd_rows.slice(begin, end);
    const View lm = s.lm_rows.slice(begin, end);
    s.model->logits(z_s, begin, end);
    if (s.top1) {
        backend_.argmax_rows(s.top1.slice(begin, end), z_s);
    }
    if (s.label_ranks) {
        backend_.label_ranks(s.label_ranks.slice(begin, end), z_s, labels.slice(begin, end));
    }
    // w_kd τ² KL(softmax(z_t/τ) ‖ softmax(z_s/τ)) + w_lm CE(z_s, next token): paper eq. 2, 3 with
    // the temperature of its section 5.1 (theory.md E32).
    HeadLoss loss{.z_s = z_s,
                  .z_t = s.wants_kd ? z_t : View{},
                  .labels = labels.slice(begin, end),
                  .kd = kd,
                  .lm = lm,
                  .tau = s.tau,
                  .w_kd = s.w_kd,
                  .w_lm = s.w_lm,
                  .scale = scale,
                  .gradient = gradient};
    if (top != nullptr && s.wants_kd) {
        loss.top_ids = top->ids.slice(begin, end);
        loss.top_z = top->logits.slice(begin, end);
        loss.lse = top->lse_of(static_cast<double>(s.tau)).slice(begin, end);
    }
    if (gradient && d_z_) {
        loss.d_z = d_z_.slice(0, end - begin);
    }
    backend_.head_loss(loss);
    backend_.sum(s.kd_sum, kd);
    backend_.sum(s.lm_sum, lm);
    if (gradient) {
        s.model->logits_backward(loss.d_z ? loss.d_z : z_s, begin, end);
    }
}

}  // namespace lrd
