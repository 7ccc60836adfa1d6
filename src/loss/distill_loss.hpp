// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "loss/head_pass.hpp"

namespace lrd {

/// The terms of one student's loss, means over the tokens of the global batch. A term that was
/// not computed (weight 0, or no teacher) is NaN and counts 0 in `loss`.
struct LossTerms {
    double loss, kd, lm, clone;
    std::vector<double> clone_tap;  // (L · taps_per_layer), reduced as `clone`, without λ
};

/// w_kd·τ²KL + w_lm·CE + λ·Σ_l [ |h_t−h_s|² + |a_t−a_s|² ] of one student (paper eq. 2–4); the sum
/// is over the taps that the teacher has.
/// Clone reduction of a tap, over the R rows that count and C columns:
///   mean: Σ|·|²/(R·C)    sum: Σ|·|²/R (eq. 4 as printed)    relative: Σ|·|²/(R·tr Cov of the
/// teacher's tap), with tr Cov measured once (set_tap_variance).
class DistillLoss : public TapGradient {
public:
    /// teacher may be null: then only the LM term exists (other weights must be 0).
    DistillLoss(Gpt2& student, Teacher* teacher, const std::string& name, LossSettings settings,
                std::int64_t max_rows);

    const LossSettings& settings() const { return settings_; }
    bool needs_tap_variance() const;
    void set_tap_variance(std::vector<double> trace);  ///< (L · taps_per_layer)
    const std::vector<double>& tap_variance() const { return tap_variance_; }

    const Arena& arena() const { return arena_; }

    /// Sums to 0; what follows has `rows` rows over all ranks, of which `firsts` are the first of a
    /// sequence or document and `targets` are scored.
    void begin(std::int64_t rows, std::int64_t firsts, std::int64_t targets);
    /// … one document to a sequence and every row scored.
    void begin(std::int64_t rows, std::int64_t sequences) { begin(rows, sequences, rows); }
    HeadTerm head_term();
    /// Adds the clone term's value without a gradient (evaluation).
    void add_clone_value();

    bool wants(std::int64_t layer, Tap tap) const override;
    void add(std::int64_t layer, Tap tap, const View& d_value, const View& value) override;

    /// This rank's sums: kd, lm, then a squared distance per tap; valid after synchronize().
    std::size_t sum_count() const { return sums_host_.size(); }
    void download_sums() { download_sums(sums_host_.data()); }
    void download_sums(float* to) { backend_.download(to, sums_); }
    const std::vector<float>& sums() const { return sums_host_; }
    /// The terms from sums over all ranks.
    LossTerms terms(const double* sums) const {
        LossTerms t;
        terms(sums, t);
        return t;
    }
    void terms(const double* sums, LossTerms& t) const;  ///< into terms of a step before

private:
    double tap_factor(std::size_t tap) const;  // what multiplies a tap's Σ|·|²
    CloneLoss clone_call(std::size_t tap) const;
    std::size_t index(std::int64_t layer, Tap tap) const;
    bool compares(std::size_t tap) const;  // the teacher has it

    Gpt2& student_;
    Teacher* teacher_;
    LossSettings settings_;
    Backend& backend_;
    std::int64_t targets_ = 1, clone_rows_ = 1;  // what the means are over
    std::vector<double> tap_variance_;
    Arena arena_;
    View kd_rows_, lm_rows_;  // (N)
    View sums_;               // (2 + L · taps_per_layer)
    std::vector<float> sums_host_;
};

}  // namespace lrd
