// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "comm/communicator.hpp"
#include "core/profile.hpp"
#include "model/weights.hpp"

namespace lrd {

/// A piece of a model's materialised gradients that travels on its own once the backward pass has
/// gone below `layer`; layer −1: at its end.
struct GradientBucket {
    std::int64_t layer;
    View part;
};

/// The pieces of `weights`: matrices of neighbouring layers, 4 MiB at least, in the order of the
/// backward pass, then the rest (embedding and positions, whose gradients are complete at the end
/// alone, and all vectors, which are small). Borders follow from the model alone, never from timing:
/// MPI's choice of an algorithm by size, and with it the order of additions, is the same every time.
std::vector<GradientBucket> gradient_buckets(const Weights& weights);

/// Reduces the gradients of all students over the ranks while the backward pass still runs.
class OverlappedReduction {
public:
    OverlappedReduction(Backend& backend, Communicator& world,
                        const std::vector<const Weights*>& students);

    /// Call it in the last micro-batch, after each layer of student k and with −1 at its end: starts
    /// what is complete and lets what is under way advance.
    void layer_done(std::size_t k, std::int64_t layer);
    void finish();  ///< the gradients are summed on return

    /// Every bucket becomes a span from its start to the end of finish(); null: none.
    void set_profile(Profile* profile) { profile_ = profile; }

private:
    Backend& backend_;
    Communicator& world_;
    std::vector<std::vector<GradientBucket>> buckets_;  // per student
    Profile* profile_ = nullptr;
    std::vector<Span> under_way_;  // room for one per bucket
};

}  // namespace lrd
