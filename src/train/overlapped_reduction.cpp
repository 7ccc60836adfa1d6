// SPDX-License-Identifier: MIT
#include "train/overlapped_reduction.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/log.hpp"

namespace lrd {
namespace {

constexpr std::int64_t smallest_bucket = std::int64_t{1} << 20;  // floats

/// [begin, end) in the flat gradients.
struct Range {
    std::int64_t begin, end;
};

/// The matrices of a layer, up to what lies above them.
Range matrices_of(const ParameterTable& table, std::int64_t layer) {
    const std::string prefix = fmt::format("h.{}.", layer);
    Range range{table.flat_size(), table.flat_size()};
    std::int64_t last = -1;
    for (const Parameter& p : table.all()) {
        if (!p.vector && p.name.starts_with(prefix)) {
            range.begin = std::min(range.begin, p.offset);
            last = std::max(last, p.offset);
        }
    }
    for (const Parameter& p : table.all()) {
        range.end = p.offset > last ? std::min(range.end, p.offset) : range.end;
    }
    return range;
}

}  // namespace

std::vector<GradientBucket> gradient_buckets(const Weights& weights) {
    const Tensors& gradients = weights.to_reduce();
    std::vector<GradientBucket> buckets, rest;
    const auto add = [&](std::vector<GradientBucket>& to, std::int64_t layer, Range range) {
        if (range.begin < range.end) {
            to.push_back({layer, gradients.flat.slice(range.begin, range.end)});
        }
    };
    std::int64_t border = gradients.flat.size();  // what lies above is in a piece
    std::int64_t end = 0;                         // of the bucket that grows; 0: none does
    for (std::int64_t l = weights.config().L - 1; l >= 0; --l) {
        const Range layer = matrices_of(*gradients.table, l);
        end = end == 0 ? layer.end : end;
        if (end - layer.begin >= smallest_bucket) {
            add(buckets, l, {layer.begin, end});
            add(rest, -1, {end, border});
            border = layer.begin;
            end = 0;
        }
    }
    add(rest, -1, {0, border});
    buckets.insert(buckets.end(), rest.begin(), rest.end());
    return buckets;
}

OverlappedReduction::OverlappedReduction(Backend& backend, Communicator& world,
                                         const std::vector<const Weights*>& students)
    : backend_(backend), world_(world) {
    for (const Weights* weights : students) {
        buckets_.push_back(gradient_buckets(*weights));
        under_way_.reserve(under_way_.capacity() + buckets_.back().size());
    }
}

void OverlappedReduction::layer_done(std::size_t k, std::int64_t layer) {
    for (const GradientBucket& bucket : buckets_[k]) {
        if (bucket.layer == layer) {
            backend_.synchronize();
            if (profile_ != nullptr) {
                under_way_.push_back({"all-reduce",
                                      Track::reductions,
                                      log::now(),
                                      0.0,
                                      {0.0, static_cast<double>(bucket.part.bytes())},
                                      std::ssize(under_way_)});
            }
            world_.start_all_reduce_sum(backend_, bucket.part);
        }
    }
    world_.progress();
}

void OverlappedReduction::finish() {
    world_.wait_all();
    for (Span& span : under_way_) {  // when each was done nobody tells
        span.end = log::now();
        profile_->add(span);
    }
    under_way_.clear();
}

}  // namespace lrd
