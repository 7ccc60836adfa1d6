// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "comm/communicator.hpp"
#include "core/profile.hpp"
#include "kernels/backend.hpp"

namespace lrd {

/// run.reproducible: the gradients of a step are summed by one binary tree over its G micro-batches,
/// whichever rank has which. A rank has G/R neighbours, which are a subtree: its sum is formed while
/// they come, as a binary counter counts. Then the tree goes on over the ranks. Both children of a
/// node may add (a + b has the bits of b + a), so every rank ends with the same sum.
class GradientTree {
public:
    /// `gradients`: one per student. Error(usage) unless the micro-batches and the ranks are powers
    /// of two, with a micro-batch at least for each rank.
    GradientTree(Backend& backend, Communicator& world, std::int64_t micro_batches,
                 std::vector<View> gradients);

    /// The gradients hold micro-batch i = 0, 1, … of this rank alone. On return they are 0 for the
    /// next one; after the last they are this rank's sum.
    void add_leaf(std::int64_t i);
    /// From the ranks' sums to the sum over all.
    void reduce();

    const Arena& arena() const { return arena_; }
    void set_profile(Profile* profile) { profile_ = profile; }  ///< of exchanges; null: none

private:
    void reduce(const View& gradient);
    void exchange(const View& out, const View& in, int partner);

    Backend& backend_;
    Communicator& world_;
    std::int64_t leaves_;  // of this rank
    std::vector<View> gradients_;
    Arena arena_;
    std::vector<std::vector<View>> waiting_;  // per student: the left child at each level
    View received_;                           // half of the largest gradient
    Profile* profile_ = nullptr;
};

}  // namespace lrd
