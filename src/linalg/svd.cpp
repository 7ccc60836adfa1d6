// SPDX-License-Identifier: MIT
#include "linalg/svd.hpp"

#include <lapacke.h>

#include <algorithm>
#include <cmath>

#include "core/check.hpp"

namespace lrd {
namespace {

void fix_signs(Svd& d) {
    for (std::int64_t i = 0; i < d.k; ++i) {
        double* row = d.vt.data() + i * d.n;
        const double* peak = std::max_element(
            row, row + d.n, [](double a, double b) { return std::abs(a) < std::abs(b); });
        if (*peak >= 0.0) {
            continue;
        }
        std::transform(row, row + d.n, row, [](double x) { return -x; });
        for (std::int64_t j = 0; j < d.m; ++j) {
            double& x = d.u[static_cast<std::size_t>(j * d.k + i)];
            x = -x;
        }
    }
}

}  // namespace

Svd svd(std::vector<double> w, std::int64_t m, std::int64_t n) {
    LRD_CHECK(static_cast<std::int64_t>(w.size()) == m * n, "{} values for {} × {}", w.size(), m,
              n);
    if (!std::all_of(w.begin(), w.end(), [](double x) { return std::isfinite(x); })) {
        fail(ExitCode::bad_data,
             "a {} × {} weight of the teacher holds values that are not finite; "
             "its SVD does not exist",
             m, n);
    }
    const std::int64_t k = std::min(m, n);
    Svd d{m, n, k, {}, {}, {}};
    d.u.resize(static_cast<std::size_t>(m * k));
    d.s.resize(static_cast<std::size_t>(k));
    d.vt.resize(static_cast<std::size_t>(k * n));
    const auto narrow = [](std::int64_t x) { return static_cast<lapack_int>(x); };
    // Row-major W (m, n) is column-major Wᵀ (n, m) = V S Uᵀ: LAPACK's U is our V, no transposing.
    const lapack_int info =
        LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'S', narrow(n), narrow(m), w.data(), narrow(n), d.s.data(),
                       d.vt.data(), narrow(n), d.u.data(), narrow(k));
    LRD_CHECK(info == 0, "dgesdd of {} × {} returned {}", m, n, info);
    fix_signs(d);
    return d;
}

}  // namespace lrd
