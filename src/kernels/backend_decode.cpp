// SPDX-License-Identifier: MIT
// The checks above every device: attention of one new token to a cache.
#include "kernels/backend.hpp"
#include "kernels/backend_call.hpp"
#include "kernels/op_costs.hpp"
#include "kernels/operands.hpp"

namespace lrd {
namespace {

/// Both caches are (B, Tmax, width).
void check_caches(const Operands& check, const View& cache_k, const View& cache_v, std::int64_t B,
                  std::int64_t width) {
    check.has_dims("cache_k", cache_k, 3);
    check.has_shape("cache_k", cache_k, {B, cache_k.dim(1), width});
    check.same_shape("cache_v", cache_v, cache_k);
}

}  // namespace

void Backend::store_kv(const View& cache_k, const View& cache_v, const View& qkv,
                       AttentionShape s) {
    const Operands check("store_kv");
    check.require(s.B >= 0 && s.T >= 0 && s.H > 0 && s.D > 0, "the shape has a negative part");
    check_caches(check, cache_k, cache_v, s.B, s.H * s.D);
    check.require(s.T <= cache_k.dim(1), "the cache is shorter than the sequences");
    check.has_shape("qkv", qkv, {s.B * s.T, 3 * s.H * s.D});
    Call::run(*this, "store_kv", moves(qkv, qkv), [&] { do_store_kv(cache_k, cache_v, qkv, s); });
}

void Backend::attention_decode(const View& y, const View& cache_k, const View& cache_v,
                               const View& qkv, const View& lengths, std::int64_t H) {
    const Operands check("attention_decode");
    check.has_dims("y", y, 2);
    check.is_dense("y", y);
    check.require(H > 0 && y.cols() % H == 0, "y is not made of whole heads");
    check_caches(check, cache_k, cache_v, y.rows(), y.cols());
    check.has_shape("qkv", qkv, {y.rows(), 3 * y.cols()});
    check.is_index("lengths", lengths, y.rows());
    Call::run(*this, "attention_decode", attention_decode_cost(y, cache_k, cache_v, qkv),
              [&] { do_attention_decode(y, cache_k, cache_v, qkv, lengths, H); });
}

}  // namespace lrd
