// SPDX-License-Identifier: MIT
// Matrix products by oneDNN. Primitives are built once per shape and kept.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "kernels/backend.hpp"

namespace lrd::cpu {

/// A strided operand inside a parallel region: rows × cols with element strides.
struct Matrix {
    float* data;
    std::int64_t rows, cols;
    std::int64_t row_stride, col_stride;

    Matrix t() const { return {data, cols, rows, col_stride, row_stride}; }
};

class Products {
public:
    Products();
    ~Products();

    /// Outside of parallel regions, on all threads of this rank.
    void run(const Product& product);
    void run_grouped(std::span<const Product> products);

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// c = a·b or c += a·b on the calling thread alone, inside a parallel region.
void product_on_this_thread(const Matrix& c, const Matrix& a, const Matrix& b, bool accumulate);

}  // namespace lrd::cpu
