// SPDX-License-Identifier: MIT
// FLOPs and bytes of a Backend call, from its arguments; for the backend's own sources alone.
// Bytes: what is read once, what is written once, what is added to twice, each in its own dtype,
// wherever it lies. FLOPs of elements and products: core/cost.hpp.
#pragma once

#include "core/cost.hpp"
#include "kernels/backend.hpp"

namespace lrd {

/// Every view that is there moves once; one that is read and written is named twice.
template <class... Views>
Cost moves(const Views&... views) {
    return {0.0, (... + (views ? static_cast<double>(views.bytes()) : 0.0))};
}
/// … and `flops` for each element of the first.
template <class... Views>
Cost per_element(double flops, const View& x, const Views&... more) {
    Cost cost = moves(x, more...);
    cost.flops = flops * static_cast<double>(x.size());
    return cost;
}

Cost cost_of(const Product& product);
Cost cost_of(std::span<const Product> products);
Cost cost_of(const LayerNorm& args);
Cost cost_of(const LayerNormBackward& args);
Cost cost_of(const HeadLoss& args);
Cost cost_of(const CloneLoss& args);
Cost attention_cost(const View& y, const View& lse, const View& qkv, AttentionShape shape);
Cost attention_backward_cost(const View& d_qkv, const View& d_y, const View& y, const View& lse,
                             const View& qkv, AttentionShape shape);
/// At most: caches are counted as if full, since how full they are is known to the device alone.
Cost attention_decode_cost(const View& y, const View& cache_k, const View& cache_v,
                           const View& qkv);

}  // namespace lrd
