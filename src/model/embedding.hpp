// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "kernels/backend.hpp"
#include "model/form.hpp"

namespace lrd {

/// Token embedding and the head tied to it: E (V × C) as it is, or E = Ce De (V × re, re × C).
class Embedding {
public:
    /// rank 0: dense. Error(usage) for a rank above min(V, C).
    Embedding(const Gpt2Config& config, std::int64_t rank);

    std::int64_t rank() const { return rank_; }
    std::int64_t kept_width() const { return rank_; }
    std::vector<Parameter> trained() const;
    void bind(const FormMemory& memory);

    /// x (N, C) = E[ids]; kept (N, re) = Ce[ids] for backward (unused when dense).
    void forward(Backend&, const View& x, const View& ids, const View& kept) const;
    void backward(Backend&, const View& d_x, const View& ids, const View& kept,
                  const View& d_kept) const;
    /// z (R, V) = x Eᵀ for rows x (R, C); kept (R, re) = x Deᵀ.
    void logits(Backend&, const View& z, const View& x, const View& kept) const;
    /// d_x (R, C) out; the gradient of E +=.
    void logits_backward(Backend&, const View& d_x, const View& d_z, const View& x,
                         const View& kept, const View& d_kept) const;
    /// e (V, C) = E.
    void merge(Backend&, const View& e) const;

private:
    std::int64_t v_, c_, rank_;
    View e_, d_e_;                // (V, C) when dense
    View ce_, de_, d_ce_, d_de_;  // (V, re), (re, C) when factored
};

}  // namespace lrd
