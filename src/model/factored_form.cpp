// SPDX-License-Identifier: MIT
#include "model/factored_form.hpp"

namespace lrd {

void TwoFactorForm::bind_bias(const FormMemory& memory) {
    b_ = memory.trained(shape().name + ".bias");
    if (memory.d_materialised.table != nullptr) {
        d_b_ = memory.d_materialised(shape().name + ".bias");
    }
}

void TwoFactorForm::forward(Backend& backend, const View& y, const View& x, const View& z) const {
    backend.matmul({.c = z, .a = x, .b = r_op_});  // z = x R (N, r)
    forward_again(backend, y, x, z);
}

void TwoFactorForm::forward_again(Backend& backend, const View& y, const View&,
                                  const View& z) const {
    backend.matmul({.c = y, .a = z, .b = u_op_.t(), .bias = b_});  // y = z Uᵀ + b (N, m)
}

void TwoFactorForm::backward(Backend& backend, const View& d_x, const View& d_y, const View& x,
                             const View& z, const View& d_z) const {
    backend.column_sums(d_b_, d_y);
    backend.matmul({.c = d_u_, .a = d_y.t(), .b = z, .accumulate = true});  // d_U += d_yᵀ z
    backend.matmul({.c = d_z, .a = d_y, .b = u_op_});                       // d_z = d_y U
    backend.matmul({.c = d_r_, .a = x.t(), .b = d_z, .accumulate = true});  // d_R += xᵀ d_z
    backend.matmul({.c = d_x, .a = d_z, .b = r_op_.t()});                   // d_x = d_z Rᵀ
}

void TwoFactorForm::merge(Backend& backend, const View& w) const {
    backend.matmul({.c = w, .a = r_, .b = u_.t()});  // Wᵀ = R Uᵀ
}

std::vector<Parameter> FactoredForm::trained() const {
    return {matrix(shape().name + ".A", shape().m, rank()),
            matrix(shape().name + ".B", rank(), shape().n),
            vector(shape().name + ".bias", shape().m)};
}

void FactoredForm::bind(const FormMemory& memory) {
    bind_bias(memory);
    u_ = memory.trained(shape().name + ".A");
    r_ = memory.trained(shape().name + ".B").t();
    u_op_ = memory.operands(shape().name + ".A");
    r_op_ = memory.operands(shape().name + ".B").t();
    if (memory.d_materialised.table != nullptr) {
        d_u_ = memory.d_materialised(shape().name + ".A");
        d_r_ = memory.d_materialised(shape().name + ".B").t();
    }
}

}  // namespace lrd
