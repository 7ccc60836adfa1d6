// SPDX-License-Identifier: MIT
#include "model/lifted_form.hpp"

#include "core/check.hpp"

namespace lrd {

std::vector<Parameter> LiftedForm::trained() const {
    return {matrix(shape().name + ".P_l", rank(), shape().m),
            matrix(shape().name + ".P_r", shape().n, rank()),
            vector(shape().name + ".bias", shape().m)};
}

std::vector<Parameter> LiftedForm::materialised() const {
    return {matrix(shape().name + ".U", shape().m, rank()),
            matrix(shape().name + ".P_r", shape().n, rank()),
            vector(shape().name + ".bias", shape().m)};
}

void LiftedForm::bind(const FormMemory& memory) {
    const std::string& name = shape().name;
    LRD_CHECK(memory.teacher.table != nullptr, "{} is lifted and needs a teacher", name);
    bind_bias(memory);
    w_ = memory.teacher(name + ".weight").t();
    p_l_ = memory.trained(name + ".P_l");
    r_ = memory.trained(name + ".P_r");
    const std::int64_t m = shape().m;
    u_ = memory.arena->region(name + ".U", DType::f32, {m, rank()});
    const auto operand = [&](const View& x, const char* what) {  // (m, r), as products take it
        const DType stored = memory.operands.flat.dtype();
        return stored == x.dtype() ? x : memory.arena->region(name + what, stored, {m, rank()});
    };
    u_op_ = operand(u_, ".U operand");
    r_op_ = memory.operands(name + ".P_r");
    bind_packs(memory);
    w_p_r_ = memory.arena->region(name + ".W_P_r", DType::f32, {m, rank()});
    s_ = memory.arena->region(name + ".S", DType::f32, {rank(), rank()});
    if (memory.trains()) {
        d_u_ = memory.d_materialised(name + ".U");
        d_r_ = memory.d_materialised(name + ".P_r");
        d_p_l_ = memory.d_trained(name + ".P_l");
        d_p_r_ = memory.d_trained(name + ".P_r");
        d_s_ = memory.arena->region(name + ".d_S", DType::f32, {rank(), rank()});
        p_lt_d_s_ = d_u_;  // pull_back has read it by then
        p_lt_d_s_op_ = operand(p_lt_d_s_, ".P_lt_d_S operand");
    }
}

void LiftedForm::plan_materialise(Stages& stages) const {
    stages.add(0, Product{.c = w_p_r_, .a = w_, .b = r_op_});  // W P_r
    stages.add(1, Product{.c = s_, .a = p_l_, .b = w_p_r_});   // S = P_l (W P_r)
    stages.add(2, Product{.c = u_, .a = p_l_.t(), .b = s_});   // U = P_lᵀ S
    stages.add(3, Cast{u_op_, u_});
}

// d_S = P_l d_U; d_P_l = S d_Uᵀ + d_S (W P_r)ᵀ; d_P_r = xᵀ(d_y U) + Wᵀ P_lᵀ d_S. The second terms
// are the core path: paper eq. 9 and, corrected, eq. 10 (theory.md E3). The first term of d_P_r is
// the materialised gradient, which the owner has copied into d_P_r before these products run.
void LiftedForm::plan_pull_back(Stages& stages) const {
    stages.add(0, Product{.c = d_s_, .a = p_l_, .b = d_u_});
    stages.add(0, Product{.c = d_p_l_, .a = s_, .b = d_u_.t()});
    stages.add(1, Product{.c = d_p_l_, .a = d_s_, .b = w_p_r_.t(), .accumulate = true});
    stages.add(1, Product{.c = p_lt_d_s_, .a = p_l_.t(), .b = d_s_});
    stages.add(2, Cast{p_lt_d_s_op_, p_lt_d_s_});
    stages.add(2, Product{.c = d_p_r_, .a = w_.t(), .b = p_lt_d_s_op_, .accumulate = true});
}

}  // namespace lrd
