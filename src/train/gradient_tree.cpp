// SPDX-License-Identifier: MIT
#include "train/gradient_tree.hpp"

#include <algorithm>
#include <bit>

#include "core/check.hpp"
#include "core/log.hpp"

namespace lrd {
namespace {

bool power_of_two(std::int64_t x) {
    return x > 0 && std::has_single_bit(static_cast<std::uint64_t>(x));
}

void check_powers(std::int64_t micro_batches, std::int64_t ranks) {
    if (!power_of_two(micro_batches)) {
        fail(ExitCode::usage,
             "run.reproducible needs a power of two of micro-batches, not {}; change "
             "train.global_batch or train.micro_batch",
             micro_batches);
    }
    if (!power_of_two(ranks)) {
        fail(ExitCode::usage, "run.reproducible needs 1, 2, 4, … ranks, not {}; start {} or {}",
             ranks, std::bit_floor(static_cast<std::uint64_t>(ranks)),
             std::bit_ceil(static_cast<std::uint64_t>(ranks)));
    }
}

/// What `rank` still adds up after the first `levels` levels of the tree over ranks: at each, a rank
/// and its partner split what they have in halves and keep one each.
View part_of(const View& x, int rank, int levels) {
    std::int64_t begin = 0;
    std::int64_t end = x.size();
    for (int level = 0; level < levels; ++level) {
        const std::int64_t middle = begin + (end - begin) / 2;
        (((rank >> level) & 1) == 0 ? end : begin) = middle;
    }
    return x.slice(begin, end);
}

}  // namespace

GradientTree::GradientTree(Backend& backend, Communicator& world, std::int64_t micro_batches,
                           std::vector<View> gradients)
    : backend_(backend),
      world_(world),
      leaves_(micro_batches / world.size()),
      gradients_(std::move(gradients)),
      arena_(backend, "tree of gradients") {
    check_powers(micro_batches, world.size());
    std::int64_t largest = 0;
    for (const View& gradient : gradients_) {
        largest = std::max(largest, gradient.size());
        std::vector<View>& levels = waiting_.emplace_back();
        for (std::int64_t below = 1; below < leaves_; below *= 2) {
            levels.push_back(arena_.region("left child", DType::f32, {gradient.size()}));
        }
    }
    if (world.size() > 1) {
        received_ = arena_.region("received", DType::f32, {largest - largest / 2});
    }
}

void GradientTree::add_leaf(std::int64_t i) {
    for (std::size_t k = 0; k < gradients_.size(); ++k) {
        const View& gradient = gradients_[k];
        std::size_t level = 0;
        for (; ((i >> level) & 1) == 1; ++level) {
            backend_.add(gradient, waiting_[k][level]);
        }
        if (i + 1 < leaves_) {
            backend_.copy(waiting_[k][level], gradient);
            backend_.zero(gradient);
        }
    }
}

void GradientTree::reduce() {
    std::for_each(gradients_.begin(), gradients_.end(),
                  [this](const View& gradient) { reduce(gradient); });
}

void GradientTree::exchange(const View& out, const View& in, int partner) {
    const double begin = log::now();
    world_.exchange(backend_, out, in, partner);
    if (profile_ != nullptr) {
        profile_->add({"exchange",
                       Track::reductions,
                       begin,
                       log::now(),
                       {0.0, static_cast<double>(out.bytes() + in.bytes())},
                       partner});
    }
}

// Of the elements that a rank keeps, the sums come together level by level from the nearest ranks to
// the farthest, as in the tree; then the ranks give each other what they have kept. So a rank sends
// and adds the gradient's size once in all, not once per level.
void GradientTree::reduce(const View& gradient) {
    const int rank = world_.rank();
    int levels = 0;
    for (; 1 << levels < world_.size(); ++levels) {
        const int partner = rank ^ (1 << levels);
        const View kept = part_of(gradient, rank, levels + 1);
        const View received = received_.slice(0, kept.size());
        backend_.synchronize();
        exchange(part_of(gradient, partner, levels + 1), received, partner);
        backend_.add(kept, received);
    }
    backend_.synchronize();
    for (int level = levels; level > 0; --level) {
        const int partner = rank ^ (1 << (level - 1));
        exchange(part_of(gradient, rank, level), part_of(gradient, partner, level), partner);
    }
}

}  // namespace lrd
