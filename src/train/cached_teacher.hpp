// SPDX-License-Identifier: MIT
// CachedTeacher: a teacher that looks up what it has seen. What students see of a window has the
// same bits in the epoch that computes it and in those that read it: both have passed through the
// cache's precision.
#pragma once

#include <memory>
#include <optional>

#include "loss/teacher.hpp"
#include "train/teacher_cache.hpp"

namespace lrd {

class CachedTeacher : public Teacher {
public:
    /// `clone_layers`: whose taps students compare with, all of them in the cache, or none if no
    /// student does; `taus`: those of the cache's log-sum-exps (top-K alone). The buffers are
    /// allocated here.
    CachedTeacher(Gpt2& model, std::vector<std::int64_t> clone_layers,
                  std::unique_ptr<TeacherCache> cache, std::vector<double> taus,
                  BatchShape capacity);

    const Weights& weights() const override { return online_.weights(); }
    /// Windows that are not in the cache are computed, and written to it. Without windows: the
    /// model itself.
    void run(const View& ids, BatchShape batch, std::span<const std::int64_t> windows,
             const View& starts) override;
    bool has_tap(std::int64_t layer, Tap tap) const override { return online_.has_tap(layer, tap); }
    View tap(std::int64_t layer, Tap tap) const override;
    void logits(const View& z, std::int64_t begin, std::int64_t end) override;
    const TopK* top_k() const override { return cached_ && top_k_ ? &*top_k_ : nullptr; }

    TeacherCache& cache() { return *cache_; }
    const Arena& arena() const { return arena_; }

    /// What it took, up to now.
    struct Account {
        std::int64_t computed = 0, read = 0;  // windows
        double read_s = 0.0, write_s = 0.0;
    };
    const Account& account() const { return account_; }

private:
    struct Field {
        std::int64_t layer = -1;  // of a clone target
        Tap tap = Tap::hidden;
        bool used = false;  // by students; the others are only written
        View values;        // (N, width) what students see
    };
    void make_field(std::size_t i, std::int64_t rows, std::span<const std::int64_t> clone_layers);
    bool compute(const View& ids, std::span<const std::int64_t> windows, const View& starts);
    void choose_top_k();
    View source_of(std::size_t field) const;
    const View& scratch_of(DType dtype) const { return dtype == DType::bf16 ? rounded_ : wide_; }
    void keep(std::size_t field, std::span<const std::int64_t> windows);
    void fetch(std::size_t field, std::span<const std::int64_t> windows);
    void show(std::size_t field);
    View rows(const View& x) const { return x ? x.slice(0, batch_.rows()) : x; }

    OnlineTeacher online_;
    Backend& backend_;
    std::unique_ptr<TeacherCache> cache_;
    Arena arena_;
    std::vector<Field> fields_;       // as in the cache's layout
    std::size_t hidden_;              // its place there
    View rounded_, wide_;             // (N, C) bf16, and f32 where that is not what models store
    View z_;                          // (rows, V) logits from which the K largest are taken
    std::vector<std::byte> staging_;  // one field of a batch on the host
    std::vector<std::size_t> taps_;   // (L · taps_per_layer) places of the clone targets
    // (B) of the batch at hand: what has to be computed, and of that what is written. A window that
    // stands twice in a batch is written once.
    std::vector<bool> missing_, writes_;
    std::optional<TopK> top_k_;
    BatchShape batch_;
    bool cached_ = false;  // the batch at hand is one of windows
    Account account_;
};

}  // namespace lrd
