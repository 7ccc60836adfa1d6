// SPDX-License-Identifier: MIT
// Dense decompositions in fp64 by LAPACK. Matrices are row-major.
#pragma once

#include <cstdint>
#include <vector>

namespace lrd {

struct Svd {
    std::int64_t m, n, k;    // k = min(m, n)
    std::vector<double> u;   // (m, k)
    std::vector<double> s;   // (k) descending
    std::vector<double> vt;  // (k, n)
};

/// W = U diag(s) Vᵀ of W (m, n), economy size (LAPACK dgesdd). The sign of each pair is fixed: the
/// largest entry of a row of Vᵀ is positive, so equal input gives equal factors everywhere.
/// Throws Error(bad_data) if W holds a value that is not finite.
Svd svd(std::vector<double> w, std::int64_t m, std::int64_t n);

}  // namespace lrd
