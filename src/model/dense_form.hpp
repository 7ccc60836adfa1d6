// SPDX-License-Identifier: MIT
#pragma once

#include "model/form.hpp"

namespace lrd {

/// W itself is trained: the teacher, full fine-tuning, training from scratch.
class DenseForm : public Form {
public:
    using Form::Form;
    std::string kind() const override { return "dense"; }
    std::vector<Parameter> trained() const override;
    void bind(const FormMemory& memory) override;
    void forward(Backend&, const View& y, const View& x, const View& kept) const override;
    void backward(Backend&, const View& d_x, const View& d_y, const View& x, const View& kept,
                  const View& d_kept) const override;
    void merge(Backend&, const View& w) const override;

private:
    View w_, d_w_;  // (n, m) = Wᵀ
    View operand_;  // w_ as products take it
    View packed_;   // the same as they take it fastest, where it stays as it is
    View b_, d_b_;  // (m)
};

}  // namespace lrd
