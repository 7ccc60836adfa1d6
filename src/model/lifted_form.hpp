// SPDX-License-Identifier: MIT
#pragma once

#include "model/factored_form.hpp"

namespace lrd {

/// Paper eq. 1 with the tied lift: W_s = P_lᵀ (P_l W P_r) P_rᵀ for the frozen teacher's W (m × n),
/// P_l: r × m, P_r: n × r. Materialised: U = P_lᵀ S with the core S = P_l W P_r, and P_r.
class LiftedForm : public TwoFactorForm {
public:
    using TwoFactorForm::TwoFactorForm;
    std::string kind() const override { return "lifted"; }
    std::vector<Parameter> trained() const override;
    std::vector<Parameter> materialised() const override;
    void bind(const FormMemory& memory) override;
    void plan_materialise(Stages& stages) const override;
    void plan_pull_back(Stages& stages) const override;

private:
    View w_;            // (m, n) the teacher's, frozen, as products take it
    View p_l_, d_p_l_;  // (r, m)
    View d_p_r_;        // (n, r) of the trained P_r; d_r_ is that of the materialised one
    View w_p_r_;        // (m, r) = W P_r
    View s_, d_s_;      // (r, r) the core
    View p_lt_d_s_;     // (m, r) = P_lᵀ d_S
    View p_lt_d_s_op_;  // as products take it
};

}  // namespace lrd
