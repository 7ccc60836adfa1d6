// SPDX-License-Identifier: MIT
#include "model/dense_form.hpp"

namespace lrd {

std::vector<Parameter> DenseForm::trained() const {
    return {matrix(shape().name + ".weight", shape().n, shape().m),
            vector(shape().name + ".bias", shape().m)};
}

void DenseForm::bind(const FormMemory& memory) {
    w_ = memory.trained(shape().name + ".weight");
    operand_ = memory.operands(shape().name + ".weight");
    if (memory.packs != nullptr) {
        packed_ = memory.packs->add(shape().name + ".weight", operand_);
    }
    b_ = memory.trained(shape().name + ".bias");
    if (memory.d_materialised.table != nullptr) {
        d_w_ = memory.d_materialised(shape().name + ".weight");
        d_b_ = memory.d_materialised(shape().name + ".bias");
    }
}

void DenseForm::forward(Backend& backend, const View& y, const View& x, const View&) const {
    backend.matmul({.c = y, .a = x, .b = operand_, .bias = b_, .packed_b = packed_});
}

void DenseForm::backward(Backend& backend, const View& d_x, const View& d_y, const View& x,
                         const View&, const View&) const {
    backend.column_sums(d_b_, d_y);
    backend.matmul({.c = d_w_, .a = x.t(), .b = d_y, .accumulate = true});  // d_Wᵀ += xᵀ d_y
    backend.matmul({.c = d_x, .a = d_y, .b = operand_.t()});                // d_x = d_y W
}

void DenseForm::merge(Backend& backend, const View& w) const { backend.copy(w, w_); }

}  // namespace lrd
