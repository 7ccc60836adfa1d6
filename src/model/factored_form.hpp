// SPDX-License-Identifier: MIT
#pragma once

#include "model/form.hpp"

namespace lrd {

/// A linear that runs on two factors, W = U Rᵀ with U: m × r and R: n × r.
class TwoFactorForm : public Form {
public:
    TwoFactorForm(LinearShape shape, std::int64_t rank) : Form(std::move(shape)), rank_(rank) {}
    std::int64_t rank() const override { return rank_; }
    std::int64_t kept_width() const override { return rank_; }
    void forward(Backend&, const View& y, const View& x, const View& kept) const override;
    void forward_again(Backend&, const View& y, const View& x, const View& kept) const override;
    void backward(Backend&, const View& d_x, const View& d_y, const View& x, const View& kept,
                  const View& d_kept) const override;
    void merge(Backend&, const View& w) const override;
    std::pair<View, View> factors() const override { return {u_, r_}; }

protected:
    /// Takes the bias and its gradient from `memory`.
    void bind_bias(const FormMemory& memory);
    /// Room for u_op_ and r_op_ as products take them fastest.
    void bind_packs(const FormMemory& memory);

    View u_, d_u_;                                      // (m, r)
    View r_, d_r_;                                      // (n, r)
    View b_, d_b_;                                      // (m)
    View u_op_, r_op_;                                  // u_ and r_ as products take them
    View u_packed_, r_packed_, ut_packed_, rt_packed_;  // these and their transposes, fastest

private:
    std::int64_t rank_;
};

/// Both factors are trained: W = A B, A: m × r, B: r × n.
class FactoredForm : public TwoFactorForm {
public:
    using TwoFactorForm::TwoFactorForm;
    std::string kind() const override { return "factored"; }
    std::vector<Parameter> trained() const override;
    void bind(const FormMemory& memory) override;
};

}  // namespace lrd
