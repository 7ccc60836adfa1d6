// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"
#include "model/weights.hpp"

namespace lrd {

/// Updates the trained tensors of one model from their gradients.
class Optimiser {
public:
    Optimiser(Weights& weights, const std::string& name, OptimSettings settings,
              std::int64_t steps);

    /// Enqueues Σ g² of the gradients into `total` (1) +=.
    void sum_squares(const View& total) const;

    /// Update s = 1, 2, … from gradients whose L2 norm is `norm`: they are scaled by
    /// min(1, clip/norm). Returns the learning rate. Not called for a step that is skipped.
    double update(std::int64_t s, double norm);

    const OptimSettings& settings() const { return settings_; }
    bool has_moments() const { return m_.table != nullptr; }
    const Arena& arena() const { return arena_; }
    const Tensors& m() const { return m_; }  ///< laid out as the parameters (AdamW)
    const Tensors& v() const { return v_; }
    std::int64_t updates() const { return updates_; }
    void set_updates(std::int64_t updates) { updates_ = updates; }  ///< on resume

private:
    void adamw(float lr, float grad_scale);
    void sgd(float lr, float grad_scale);

    Weights& weights_;
    OptimSettings settings_;
    std::int64_t steps_;
    std::int64_t updates_ = 0;  // taken; skipped steps do not count in AdamW's bias correction
    Arena arena_;
    Tensors m_, v_;
};

}  // namespace lrd
