// SPDX-License-Identifier: MIT
#include <algorithm>

#include "core/log.hpp"
#include "kernels/backend.hpp"

namespace lrd {

double product_rate(Backend& backend, std::int64_t M, std::int64_t N, std::int64_t K, int repeats) {
    Arena arena(backend, "rate");
    const View c = arena.region("c", DType::f32, {M, N});
    const View a = arena.region("a", backend.stored(), {M, K});
    const View b = arena.region("b", backend.stored(), {K, N});
    backend.zero(a);
    backend.zero(b);
    double best = 0.0;
    for (int i = 0; i <= repeats; ++i) {
        const double start = log::now();
        backend.matmul({.c = c, .a = a, .b = b});
        backend.synchronize();
        if (i > 0) {
            best = std::max(best, 2.0 * static_cast<double>(M * N * K) / (log::now() - start));
        }
    }
    return best;
}

}  // namespace lrd
