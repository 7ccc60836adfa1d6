// SPDX-License-Identifier: MIT
#include "kernels/op_costs.hpp"

#include <numeric>

namespace lrd {

Cost cost_of(const Product& p) {
    Cost cost = moves(p.c, p.a, p.b, p.bias, p.accumulate ? p.c : View{});
    cost.flops = op_flops::product(p.c.rows(), p.c.cols(), p.a.cols());
    return cost;
}

Cost cost_of(std::span<const Product> products) {
    return std::accumulate(products.begin(), products.end(), Cost{},
                           [](Cost sum, const Product& one) { return sum += cost_of(one); });
}

Cost cost_of(const LayerNorm& a) {
    return per_element(op_flops::layernorm, a.x, a.y, a.residual, a.residual ? a.h : View{}, a.mean,
                       a.rstd, a.gamma, a.beta);
}

Cost cost_of(const LayerNormBackward& a) {
    return per_element(op_flops::layernorm_backward, a.h, a.d_y, a.d_h, a.d_h, a.mean, a.rstd,
                       a.gamma, a.d_gamma, a.d_gamma, a.d_beta, a.d_beta);
}

Cost cost_of(const HeadLoss& a) {
    const bool teacher = a.z_t || a.top_ids;
    const View gradient = !a.gradient ? View{} : a.d_z ? a.d_z : a.z_s;
    return per_element(teacher ? op_flops::head_loss_with_teacher : op_flops::head_loss, a.z_s,
                       a.z_t, a.top_ids, a.top_z, a.lse, gradient, a.labels, a.kd, a.lm);
}

Cost cost_of(const CloneLoss& a) {
    return per_element(op_flops::clone, a.s, a.t, a.d_s, a.d_s, a.starts);
}

Cost attention_cost(const View& y, const View& lse, const View& qkv, AttentionShape s) {
    Cost cost = moves(y, lse, qkv);
    cost.flops = op_flops::attention(s.B * s.T, s.T, s.H * s.D);
    return cost;
}

Cost attention_backward_cost(const View& d_qkv, const View& d_y, const View& y, const View& lse,
                             const View& qkv, AttentionShape s) {
    Cost cost = moves(d_qkv, d_y, y, lse, qkv);
    cost.flops = op_flops::attention_backward(s.B * s.T, s.T, s.H * s.D);
    return cost;
}

Cost attention_decode_cost(const View& y, const View& cache_k, const View& cache_v,
                           const View& qkv) {
    Cost cost = moves(y, cache_k, cache_v, qkv);
    cost.flops = 2.0 * static_cast<double>(cache_k.size() + cache_v.size());
    return cost;
}

}  // namespace lrd
