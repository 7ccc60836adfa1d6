// SPDX-License-Identifier: MIT
#include "train/top_k_bias.hpp"

#include <algorithm>
#include <cmath>

namespace lrd {
namespace {

constexpr std::int64_t most_rows = 32;  // of a block of logits

/// Buffers for a block of rows, and what was summed up over the blocks of one student.
class Measure {
public:
    Measure(Backend& backend, Teacher& teacher, std::int64_t K, std::int64_t rows)
        : backend_(backend), teacher_(teacher), K_(K), arena_(backend, "top-K bias") {
        const std::int64_t R = std::min(most_rows, rows);
        const std::int64_t V = teacher.config().V;
        z_t_ = arena_.region("teacher logits", DType::f32, {R, V});
        z_s_ = arena_.region("exact", DType::f32, {R, V});
        z_k_ = arena_.region("of the largest", DType::f32, {R, V});
        top_z_ = arena_.region("largest", DType::f32, {R, K});
        top_ids_ = arena_.region("their ids", DType::i32, {R, K});
        for (View* x : {&lse_, &kd_, &kd_top_, &lm_}) {
            *x = arena_.region("of rows", DType::f32, {R});
        }
        for (std::vector<float>* x : {&gradient_, &gradient_top_}) {
            x->resize(static_cast<std::size_t>(R * V));
        }
        largest_.resize(static_cast<std::size_t>(R * K));
        for (std::vector<float>* x : {&rows_, &rows_top_, &rows_lse_}) {
            x->resize(static_cast<std::size_t>(R));
        }
    }

    /// The batch that teacher and student have at hand.
    void add(Student& student, const View& labels, TopKBias& sum) {
        const std::int64_t n = labels.dim(0);
        for (std::int64_t begin = 0; begin < n; begin += z_t_.rows()) {
            add_block(student, labels.slice(begin, std::min(n, begin + z_t_.rows())), begin, sum);
        }
    }

private:
    void add_block(Student& student, const View& labels, std::int64_t begin, TopKBias& sum) {
        const std::int64_t n = labels.dim(0);
        const auto tau = static_cast<float>(student.loss.settings().tau);
        const auto part = [n](const View& x) { return x.slice(0, n); };
        teacher_.logits(part(z_t_), begin, begin + n);
        student.model.logits(part(z_s_), begin, begin + n);
        backend_.copy(part(z_k_), part(z_s_));
        backend_.top_k(part(top_z_), part(top_ids_), part(z_t_));
        backend_.log_sum_exp(part(lse_), part(z_t_), tau);
        HeadLoss loss{.z_s = part(z_s_),
                      .z_t = part(z_t_),
                      .labels = labels,
                      .kd = part(kd_),
                      .lm = part(lm_),
                      .tau = tau,
                      .w_kd = 1.0F};
        backend_.head_loss(loss);
        loss.z_s = part(z_k_);
        loss.z_t = {};
        loss.kd = part(kd_top_);
        loss.top_ids = part(top_ids_);
        loss.top_z = part(top_z_);
        loss.lse = part(lse_);
        backend_.head_loss(loss);
        backend_.download(gradient_.data(), part(z_s_));
        backend_.download(gradient_top_.data(), part(z_k_));
        backend_.download(largest_.data(), part(top_z_));
        backend_.download(rows_.data(), part(kd_));
        backend_.download(rows_top_.data(), part(kd_top_));
        backend_.download(rows_lse_.data(), part(lse_));
        backend_.synchronize();
        for (std::int64_t row = 0; row < n; ++row) {
            add_row(static_cast<std::size_t>(row), static_cast<double>(tau), sum);
        }
    }

    void add_row(std::size_t row, double tau, TopKBias& sum) const {
        sum.exact += static_cast<double>(rows_[row]);
        sum.bound += static_cast<double>(rows_top_[row]);
        double mass = 0.0;
        for (std::size_t k = 0; k < static_cast<std::size_t>(K_); ++k) {
            mass += std::exp(static_cast<double>(largest_[row * static_cast<std::size_t>(K_) + k]) /
                                 tau -
                             static_cast<double>(rows_lse_[row]));
        }
        sum.missing += std::max(0.0, 1.0 - mass);
        const auto V = static_cast<std::size_t>(z_t_.cols());
        double dot = 0.0, a = 0.0, b = 0.0;
        for (std::size_t i = row * V; i < (row + 1) * V; ++i) {
            const auto x = static_cast<double>(gradient_[i]);
            const auto y = static_cast<double>(gradient_top_[i]);
            dot += x * y;
            a += x * x;
            b += y * y;
        }
        sum.cosine += a * b > 0.0 ? dot / std::sqrt(a * b) : 1.0;
    }

    Backend& backend_;
    Teacher& teacher_;
    std::int64_t K_;
    Arena arena_;
    View z_t_, z_s_, z_k_;                           // (R, V)
    View top_z_, top_ids_;                           // (R, K)
    View lse_, kd_, kd_top_, lm_;                    // (R)
    std::vector<float> gradient_, gradient_top_;     // (R, V)
    std::vector<float> largest_;                     // (R, K)
    std::vector<float> rows_, rows_top_, rows_lse_;  // (R)
};

}  // namespace

std::vector<TopKBias> measure_top_k_bias(Teacher& teacher, Students& students, BatchSource& source,
                                         std::int64_t K, BatchShape capacity,
                                         std::int64_t windows) {
    Backend& backend = students.front()->weights.backend();
    Measure measure(backend, teacher, K, capacity.rows());
    Arena arena(backend, "sample");
    const View ids = arena.region("ids", DType::i32, {capacity.rows()});
    const View labels = arena.region("labels", DType::i32, {capacity.rows()});
    const View starts = arena.region("starts", DType::i32, {capacity.rows()});
    std::vector<TopKBias> bias(students.size());
    std::int64_t sampled = 0;
    for (const auto& student : students) {
        student->weights.materialise();
    }
    for (; sampled < windows; sampled += capacity.B) {
        const Batch batch = source.sample(sampled, capacity.B);
        backend.upload(ids, batch.ids.data());
        backend.upload(labels, batch.labels.data());
        View begins;
        if (!batch.starts.empty()) {
            begins = starts;
            backend.upload(begins, batch.starts.data());
        }
        teacher.run(ids, capacity, {}, begins);  // the exact logits
        for (std::size_t k = 0; k < students.size(); ++k) {
            if (students[k]->loss.settings().kd != 0.0) {
                students[k]->model.forward(ids, capacity, {.starts = begins});
                measure.add(*students[k], labels, bias[k]);
            }
        }
    }
    const auto tokens =
        static_cast<double>(std::max<std::int64_t>(1, source.counts(0, sampled).targets));
    for (TopKBias& b : bias) {
        b = {b.exact / tokens, b.bound / tokens, b.missing / tokens, b.cosine / tokens};
    }
    return bias;
}

}  // namespace lrd
