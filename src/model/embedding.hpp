// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "kernels/backend.hpp"
#include "model/form.hpp"

namespace lrd {

/// Token embedding E and head. A tied head is E itself; an untied one, z = x Hᵀ, is a table of its
/// own in the same form. A table is dense (V × C), or E = Ce De (V × re, re × C).
class Embedding {
public:
    /// rank 0: dense. Error(usage) for a rank above min(V, C).
    Embedding(const Gpt2Config& config, std::int64_t rank);

    std::int64_t rank() const { return rank_; }
    std::int64_t kept_width() const { return rank_; }
    /// "wte", and "lm_head" if the head is its own: `<table>.weight` or `<table>.Ce`, `<table>.De`.
    std::vector<std::string> tables() const;
    std::vector<Parameter> trained() const;
    void bind(const FormMemory& memory);

    /// x (N, C) = E[ids]; kept (N, re) = Ce[ids] for backward (unused when dense).
    void forward(Backend&, const View& x, const View& ids, const View& kept) const;
    /// `operand`: d_x as products take it.
    void backward(Backend&, const View& d_x, const View& operand, const View& ids, const View& kept,
                  const View& d_kept) const;
    /// z (R, V) = x Hᵀ for rows x (R, C); kept (R, re) = x Deᵀ.
    void logits(Backend&, const View& z, const View& x, const View& kept) const;
    /// d_x (R, C) out; the gradient of H +=.
    void logits_backward(Backend&, const View& d_x, const View& d_z, const View& x,
                         const View& kept, const View& d_kept) const;
    /// Fills `<table>.weight` (V, C) of every table.
    void merge(Backend&, const Tensors& dense) const;

private:
    struct Table {
        View e, d_e, e_op;        // (V, C) when dense; `_op`: as products take it
        View packed;              // e_opᵀ as they take it fastest, where it stays as it is
        View ce, de, d_ce, d_de;  // (V, re), (re, C) when factored
        View ce_op, de_op;
    };
    Table bound(const FormMemory& memory, const std::string& name) const;

    std::int64_t v_, c_, rank_;
    bool tied_;
    Table input_, head_;  // equal if tied
};

}  // namespace lrd
