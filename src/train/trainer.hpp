// SPDX-License-Identifier: MIT
// Trainer: one optimiser step of all students against one teacher, on any number of ranks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "comm/communicator.hpp"
#include "data/batch_source.hpp"
#include "train/gradient_tree.hpp"
#include "train/ordered_sum.hpp"
#include "train/overlapped_reduction.hpp"
#include "train/phases.hpp"
#include "train/student.hpp"

namespace lrd {

using Students = std::vector<std::unique_ptr<Student>>;
/// Loss sums of all students together, as DistillLoss counts them.
std::int64_t count_sums(const Students& students);

/// What a step did to one student.
struct StudentReport {
    LossTerms terms;
    double lr = 0.0;
    double grad_norm = 0.0;  // before clipping
    bool skipped = false;    // loss or gradient was not finite: no update
};

class Trainer {
public:
    /// Buffers are allocated here; step() allocates nothing. `teacher` may be null.
    /// `reproducible`: the same bits on 1, 2, 4, … ranks. Error(usage) where the global batch cannot
    /// be shared out.
    Trainer(Backend& backend, Communicator& world, const TrainSettings& settings,
            BatchSource& source, Teacher* teacher, Students& students, bool reproducible = false);

    /// Update s = 1, 2, … of every student, from the windows of global batch s − 1.
    const std::vector<StudentReport>& step(std::int64_t s);

    /// tr Cov of each teacher tap over the first global batch, for students that reduce their
    /// clone term by it ("relative") and have none yet.
    void measure_tap_variance();

    /// The same set to 1: for steps whose time counts and whose values do not.
    void assume_tap_variance();

    std::int64_t tokens_per_step() const { return settings_.global_batch * source_.context(); }
    Phases& phases() { return phases_; }
    /// Where steps write down what they do, ops and communication included; null: nowhere.
    void set_profile(Profile* profile);
    const Arena& arena() const { return arena_; }
    HeadPass& head() { return head_; }
    /// What run.reproducible needs besides; null without it.
    const GradientTree* tree() const { return tree_ ? &*tree_ : nullptr; }
    /// Seconds since the last call in which this rank could do nothing but reduce gradients.
    double take_comm_exposed() { return std::exchange(comm_exposed_, 0.0); }
    /// Null if no student listens to a teacher.
    const Architecture* teacher_architecture() const {
        return teacher_ != nullptr ? &teacher_->weights().architecture() : nullptr;
    }

private:
    void begin(std::int64_t s);
    void load(std::int64_t first_sample);
    View starts() const { return masked_ ? starts_ : View{}; }
    ForwardOptions options_of(const Student& student) const;
    void forward();
    void losses();
    void backward(std::int64_t micro_batch);
    void reduce();
    void pull_back();
    void update(std::int64_t s);
    void report_terms();
    template <class Work>
    void communicate(const Work& work);
    template <class Work>
    double wait_for_ranks(const char* what, const Work& work);

    Backend& backend_;
    Communicator& world_;
    TrainSettings settings_;
    BatchSource& source_;
    Teacher* teacher_;
    Students& students_;
    std::int64_t micro_batches_;     // G
    Share mine_;                     // this rank's of them
    std::int64_t first_sample_ = 0;  // of the loaded micro-batch
    HeadPass head_;
    std::vector<HeadTerm> head_terms_;
    Arena arena_;
    View ids_, labels_;                      // (N) i32
    View starts_;                            // (N) i32, where documents begin
    bool masked_ = false;                    // the loaded micro-batch has starts
    RowCounts counts_;                       // of the global batch
    std::span<const std::int64_t> windows_;  // (B) of the batch at hand
    View norms_;                             // (K) Σ g²
    std::vector<float> norms_host_;
    OrderedSum sums_;  // of each micro-batch: all students' loss sums, one after the other
    OverlappedReduction reduction_;
    std::optional<GradientTree> tree_;
    double comm_exposed_ = 0.0;
    std::vector<StudentReport> reports_;
    Phases phases_;
    Profile* profile_ = nullptr;
};

}  // namespace lrd
