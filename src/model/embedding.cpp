// SPDX-License-Identifier: MIT
#include "model/embedding.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace lrd {

Embedding::Embedding(const Gpt2Config& config, std::int64_t rank)
    : v_(config.V), c_(config.C), rank_(rank) {
    if (rank < 0 || rank > std::min(v_, c_)) {
        fail(ExitCode::usage,
             "student.embedding_rank {} is not in 0..{} (= min of V = {} and C = {}; "
             "0 means dense)",
             rank, std::min(v_, c_), v_, c_);
    }
}

std::vector<Parameter> Embedding::trained() const {
    if (rank_ == 0) {
        return {matrix("wte.weight", v_, c_)};
    }
    return {matrix("wte.Ce", v_, rank_), matrix("wte.De", rank_, c_)};
}

void Embedding::bind(const FormMemory& memory) {
    const bool trains = memory.d_materialised.table != nullptr;
    if (rank_ == 0) {
        e_ = memory.trained("wte.weight");
        d_e_ = trains ? memory.d_materialised("wte.weight") : View{};
        return;
    }
    ce_ = memory.trained("wte.Ce");
    de_ = memory.trained("wte.De");
    if (trains) {
        d_ce_ = memory.d_materialised("wte.Ce");
        d_de_ = memory.d_materialised("wte.De");
    }
}

void Embedding::forward(Backend& backend, const View& x, const View& ids, const View& kept) const {
    if (rank_ == 0) {
        backend.embed(x, e_, ids);
        return;
    }
    backend.embed(kept, ce_, ids);
    backend.matmul({.c = x, .a = kept, .b = de_});  // x = Ce[ids] De
}

void Embedding::backward(Backend& backend, const View& d_x, const View& ids, const View& kept,
                         const View& d_kept) const {
    if (rank_ == 0) {
        backend.embed_backward(d_e_, d_x, ids);
        return;
    }
    backend.matmul({.c = d_de_, .a = kept.t(), .b = d_x, .accumulate = true});
    backend.matmul({.c = d_kept, .a = d_x, .b = de_.t()});
    backend.embed_backward(d_ce_, d_kept, ids);
}

void Embedding::logits(Backend& backend, const View& z, const View& x, const View& kept) const {
    if (rank_ == 0) {
        backend.matmul({.c = z, .a = x, .b = e_.t()});
        return;
    }
    backend.matmul({.c = kept, .a = x, .b = de_.t()});  // x Deᵀ
    backend.matmul({.c = z, .a = kept, .b = ce_.t()});  // z = x Deᵀ Ceᵀ
}

void Embedding::logits_backward(Backend& backend, const View& d_x, const View& d_z, const View& x,
                                const View& kept, const View& d_kept) const {
    if (rank_ == 0) {
        backend.matmul({.c = d_e_, .a = d_z.t(), .b = x, .accumulate = true});
        backend.matmul({.c = d_x, .a = d_z, .b = e_});
        return;
    }
    backend.matmul({.c = d_ce_, .a = d_z.t(), .b = kept, .accumulate = true});
    backend.matmul({.c = d_kept, .a = d_z, .b = ce_});
    backend.matmul({.c = d_de_, .a = d_kept.t(), .b = x, .accumulate = true});
    backend.matmul({.c = d_x, .a = d_kept, .b = de_});
}

void Embedding::merge(Backend& backend, const View& e) const {
    if (rank_ == 0) {
        backend.copy(e, e_);
    } else {
        backend.matmul({.c = e, .a = ce_, .b = de_});
    }
}

}  // namespace lrd
