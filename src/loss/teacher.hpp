// SPDX-License-Identifier: MIT
// Teacher: what a student sees of its teacher on the batch at hand, wherever that comes from.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/gpt2.hpp"

namespace lrd {

/// The teacher's distribution by its K largest logits and its normalisers.
struct TopK {
    View ids;                  // (N, K) i32
    View logits;               // (N, K), the largest first
    std::vector<double> taus;  // temperatures whose log-sum-exp is known
    std::vector<View> lse;     // (N) for each of taus: log Σ_v e^(z_v/τ)

    /// (N), or none if `tau` is not among them.
    View lse_of(double tau) const;
};

class Teacher {
public:
    virtual ~Teacher() = default;
    /// Frozen; lifted students read them.
    virtual const Weights& weights() const = 0;
    const Gpt2Config& config() const { return weights().config(); }

    /// Makes ids (B·T) i32, on the device, the batch at hand. windows (B): which window of the
    /// training data each sequence is; none, if they are not windows of these. starts (B·T) i32:
    /// where documents begin (backend.hpp), or none.
    virtual void run(const View& ids, BatchShape batch, std::span<const std::int64_t> windows,
                     const View& starts) = 0;

    // ---- of the batch at hand
    /// Clone targets that students compare with; the others are in no loss.
    virtual bool has_tap(std::int64_t layer, Tap tap) const = 0;
    virtual View tap(std::int64_t layer, Tap tap) const = 0;  // (N, C)
    /// Logits of rows [begin, end), z (end − begin, V); not there if top_k() is.
    virtual void logits(const View& z, std::int64_t begin, std::int64_t end) = 0;
    /// Stands for the logits, or null.
    virtual const TopK* top_k() const { return nullptr; }
};

/// The model itself, at every batch.
class OnlineTeacher : public Teacher {
public:
    /// `clone_layers`: whose taps are compared (ascending); the first form takes all. `model`
    /// outlives this; it must keep its taps if they are asked for.
    explicit OnlineTeacher(Gpt2& model);
    OnlineTeacher(Gpt2& model, std::vector<std::int64_t> clone_layers);

    Gpt2& model() const { return model_; }
    const Weights& weights() const override { return model_.weights(); }
    void run(const View& ids, BatchShape batch, std::span<const std::int64_t>,
             const View& starts) override {
        model_.forward(ids, batch, {.starts = starts});
    }
    bool has_tap(std::int64_t layer, Tap tap) const override;
    View tap(std::int64_t layer, Tap tap) const override { return model_.tap(layer, tap); }
    void logits(const View& z, std::int64_t begin, std::int64_t end) override {
        model_.logits(z, begin, end);
    }

private:
    Gpt2& model_;
    std::vector<std::int64_t> clone_layers_;
};

}  // namespace lrd
