// SPDX-License-Identifier: MIT
// The plainest containers that can hold a reference result: fp64, row after row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lrd::reference {

using Vector = std::vector<double>;
using Ids = std::vector<std::int32_t>;

struct Matrix {
    std::size_t rows = 0, cols = 0;
    Vector data;

    Matrix() = default;
    Matrix(std::size_t row_count, std::size_t col_count, double fill = 0.0)
        : rows(row_count), cols(col_count), data(row_count * col_count, fill) {}

    double& operator()(std::size_t i, std::size_t j) { return data[i * cols + j]; }
    double operator()(std::size_t i, std::size_t j) const { return data[i * cols + j]; }
    bool empty() const { return data.empty(); }
};

}  // namespace lrd::reference
