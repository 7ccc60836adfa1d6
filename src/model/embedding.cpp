// SPDX-License-Identifier: MIT
#include "model/embedding.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace lrd {

Embedding::Embedding(const Gpt2Config& config, std::int64_t rank)
    : v_(config.V), c_(config.C), rank_(rank), tied_(config.tied) {
    if (rank < 0 || rank > std::min(v_, c_)) {
        fail(ExitCode::usage,
             "student.embedding_rank {} is not in 0..{} (= min of V = {} and C = {}; "
             "0 means dense)",
             rank, std::min(v_, c_), v_, c_);
    }
}

std::vector<std::string> Embedding::tables() const {
    return tied_ ? std::vector<std::string>{"wte"} : std::vector<std::string>{"wte", "lm_head"};
}

std::vector<Parameter> Embedding::trained() const {
    std::vector<Parameter> all;
    for (const std::string& table : tables()) {
        if (rank_ == 0) {
            all.push_back(matrix(table + ".weight", v_, c_));
        } else {
            all.push_back(matrix(table + ".Ce", v_, rank_));
            all.push_back(matrix(table + ".De", rank_, c_));
        }
    }
    return all;
}

Embedding::Table Embedding::bound(const FormMemory& memory, const std::string& name) const {
    const auto gradient = [&](const std::string& tensor) {
        return memory.d_materialised.table != nullptr ? memory.d_materialised(tensor) : View{};
    };
    Table t;
    if (rank_ == 0) {
        t.e = memory.trained(name + ".weight");
        t.d_e = gradient(name + ".weight");
        t.e_op = memory.operands(name + ".weight");
    } else {
        t.ce = memory.trained(name + ".Ce");
        t.de = memory.trained(name + ".De");
        t.d_ce = gradient(name + ".Ce");
        t.d_de = gradient(name + ".De");
        t.ce_op = memory.operands(name + ".Ce");
        t.de_op = memory.operands(name + ".De");
    }
    return t;
}

void Embedding::bind(const FormMemory& memory) {
    input_ = bound(memory, tables().front());
    head_ = bound(memory, tables().back());
    if (rank_ == 0 && memory.packs != nullptr) {
        head_.packed = memory.packs->add(tables().back(), head_.e_op.t());
    }
}

void Embedding::forward(Backend& backend, const View& x, const View& ids, const View& kept) const {
    if (rank_ == 0) {
        backend.embed(x, input_.e, ids);
        return;
    }
    backend.embed(kept, input_.ce_op, ids);
    backend.matmul({.c = x, .a = kept, .b = input_.de_op});  // x = Ce[ids] De
}

void Embedding::backward(Backend& backend, const View& d_x, const View& operand, const View& ids,
                         const View& kept, const View& d_kept) const {
    if (rank_ == 0) {
        backend.embed_backward(input_.d_e, d_x, ids);
        return;
    }
    backend.matmul({.c = input_.d_de, .a = kept.t(), .b = operand, .accumulate = true});
    backend.matmul({.c = d_kept, .a = operand, .b = input_.de_op.t()});
    backend.embed_backward(input_.d_ce, d_kept, ids);
}

void Embedding::logits(Backend& backend, const View& z, const View& x, const View& kept) const {
    if (rank_ == 0) {
        backend.matmul({.c = z, .a = x, .b = head_.e_op.t(), .packed_b = head_.packed});
        return;
    }
    backend.matmul({.c = kept, .a = x, .b = head_.de_op.t()});  // x Deᵀ
    backend.matmul({.c = z, .a = kept, .b = head_.ce_op.t()});  // z = x Deᵀ Ceᵀ
}

void Embedding::logits_backward(Backend& backend, const View& d_x, const View& d_z, const View& x,
                                const View& kept, const View& d_kept) const {
    if (rank_ == 0) {
        backend.matmul({.c = head_.d_e, .a = d_z.t(), .b = x, .accumulate = true});
        backend.matmul({.c = d_x, .a = d_z, .b = head_.e_op});
        return;
    }
    backend.matmul({.c = head_.d_ce, .a = d_z.t(), .b = kept, .accumulate = true});
    backend.matmul({.c = d_kept, .a = d_z, .b = head_.ce_op});
    backend.matmul({.c = head_.d_de, .a = d_kept.t(), .b = x, .accumulate = true});
    backend.matmul({.c = d_x, .a = d_kept, .b = head_.de_op});
}

void Embedding::merge(Backend& backend, const Tensors& dense) const {
    for (const std::string& name : tables()) {
        const Table& t = name == tables().front() ? input_ : head_;
        if (rank_ == 0) {
            backend.copy(dense(name + ".weight"), t.e);
        } else {
            backend.matmul({.c = dense(name + ".weight"), .a = t.ce, .b = t.de});
        }
    }
}

}  // namespace lrd
