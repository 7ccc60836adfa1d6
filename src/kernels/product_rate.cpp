// SPDX-License-Identifier: MIT
#include <algorithm>
#include <limits>

#include "core/cost.hpp"
#include "core/log.hpp"
#include "kernels/backend.hpp"

namespace lrd {
namespace {

/// Seconds of the best of `repeats`, after one that warms up.
template <class Work>
double fastest(Backend& backend, int repeats, const Work& work) {
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i <= repeats; ++i) {
        const double start = log::now();
        work();
        backend.synchronize();
        if (i > 0) {
            best = std::min(best, log::now() - start);
        }
    }
    return best;
}

}  // namespace

double product_rate(Backend& backend, std::int64_t M, std::int64_t N, std::int64_t K, int repeats) {
    Arena arena(backend, "rate");
    const View c = arena.region("c", DType::f32, {M, N});
    const View a = arena.region("a", backend.stored(), {M, K});
    const View b = arena.region("b", backend.stored(), {K, N});
    backend.zero(a);
    backend.zero(b);
    const double seconds =
        fastest(backend, repeats, [&] { backend.matmul({.c = c, .a = a, .b = b}); });
    return op_flops::product(M, N, K) / seconds;
}

double copy_rate(Backend& backend, std::int64_t bytes, int repeats) {
    Arena arena(backend, "rate");
    const View to = arena.region("to", DType::i8, {bytes});
    const View from = arena.region("from", DType::i8, {bytes});
    backend.zero(from);
    const double seconds = fastest(backend, repeats, [&] { backend.copy(to, from); });
    return 2.0 * static_cast<double>(bytes) / seconds;
}

}  // namespace lrd
