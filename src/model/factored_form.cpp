// SPDX-License-Identifier: MIT
#include "model/factored_form.hpp"

namespace lrd {

void TwoFactorForm::bind_bias(const FormMemory& memory) {
    b_ = memory.trained(shape().name + ".bias");
    if (memory.trains()) {
        d_b_ = memory.d_materialised(shape().name + ".bias");
    }
}

void TwoFactorForm::bind_packs(const FormMemory& memory) {
    Packs& packs = *memory.packs;
    const std::string& name = shape().name;
    r_packed_ = packs.add(name + " R", r_op_);
    ut_packed_ = packs.add(name + " Uᵀ", u_op_.t());
    if (memory.trains()) {
        u_packed_ = packs.add(name + " U", u_op_);
        rt_packed_ = packs.add(name + " Rᵀ", r_op_.t());
    }
}

void TwoFactorForm::forward(Backend& backend, const View& y, const View& x, const View& z) const {
    backend.matmul({.c = z, .a = x, .b = r_op_, .packed_b = r_packed_});  // z = x R (N, r)
    forward_again(backend, y, x, z);
}

void TwoFactorForm::forward_again(Backend& backend, const View& y, const View&,
                                  const View& z) const {
    // y = z Uᵀ + b (N, m)
    backend.matmul({.c = y, .a = z, .b = u_op_.t(), .bias = b_, .packed_b = ut_packed_});
}

void TwoFactorForm::backward(Backend& backend, const View& d_x, const View& d_y, const View& x,
                             const View& z, const View& d_z) const {
    backend.column_sums(d_b_, d_y);
    // d_U += d_yᵀ z; d_z = d_y U; d_R += xᵀ d_z; d_x = d_z Rᵀ
    backend.matmul({.c = d_u_, .a = d_y.t(), .b = z, .accumulate = true});
    backend.matmul({.c = d_z, .a = d_y, .b = u_op_, .packed_b = u_packed_});
    backend.matmul({.c = d_r_, .a = x.t(), .b = d_z, .accumulate = true});
    backend.matmul({.c = d_x, .a = d_z, .b = r_op_.t(), .packed_b = rt_packed_});
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
    bind_packs(memory);
    if (memory.d_materialised.table != nullptr) {
        d_u_ = memory.d_materialised(shape().name + ".A");
        d_r_ = memory.d_materialised(shape().name + ".B").t();
    }
}

}  // namespace lrd
