// SPDX-License-Identifier: MIT
#pragma once

#include "core/view.hpp"

namespace lrd {

/// sums (M) += Σ over the rows of x (N, M), dense; with skip_first without every T-th row from 0.
void add_column_sums(const View& sums, const View& x, std::int64_t T, bool skip_first);

}  // namespace lrd
