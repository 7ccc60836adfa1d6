// SPDX-License-Identifier: MIT
#pragma once

#include "core/view.hpp"

namespace lrd {

/// Which rows count: all, or with skip_first all but the first of each sequence or document.
struct RowFilter {
    std::int64_t T = 1;
    bool skip_first = false;
    View starts = {};
    bool takes(std::int64_t i) const {
        return !skip_first || i % T != (starts ? starts.i32()[i] : 0);
    }
};

/// sums (M) += Σ over the rows of x (N, M), dense.
void add_column_sums(const View& sums, const View& x, const RowFilter& rows);

}  // namespace lrd
