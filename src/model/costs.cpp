// SPDX-License-Identifier: MIT
#include "model/costs.hpp"

namespace lrd {
namespace {

constexpr double word = 4.0;  // bytes of fp32
double d(std::int64_t x) { return static_cast<double>(x); }

/// A linear's products forward: one, or two through the rank.
Cost linear_cost(const FormSpec& spec, const LinearShape& shape, std::int64_t rows) {
    if (spec.kind == "dense") {
        return product_cost(rows, shape.m, shape.n);
    }
    Cost cost = product_cost(rows, spec.rank, shape.n);
    return cost += product_cost(rows, shape.m, spec.rank);
}

template <class Visit>
void for_each_linear(const Architecture& model, Visit visit) {
    const std::vector<LinearShape> shapes = linear_shapes(model.config);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        visit(model.linears[i], shapes[i]);
    }
}

Cost times(const Cost& cost, double n) { return {cost.flops * n, cost.bytes * n}; }

}  // namespace

Cost product_cost(std::int64_t M, std::int64_t N, std::int64_t K) {
    return {op_flops::product(M, N, K), word * (d(M) * d(K) + d(K) * d(N) + d(M) * d(N))};
}
Cost layernorm_cost(std::int64_t rows, std::int64_t C) {
    return {op_flops::layernorm * d(rows) * d(C), 4.0 * word * d(rows) * d(C)};
}
Cost layernorm_backward_cost(std::int64_t rows, std::int64_t C) {
    return {op_flops::layernorm_backward * d(rows) * d(C), 4.0 * word * d(rows) * d(C)};
}
Cost gelu_cost(std::int64_t elements) {
    return {op_flops::gelu * d(elements), 2.0 * word * d(elements)};
}
Cost gelu_backward_cost(std::int64_t elements) {
    return {op_flops::gelu_backward * d(elements), 3.0 * word * d(elements)};
}
Cost attention_cost(std::int64_t rows, std::int64_t T, std::int64_t width) {
    return {op_flops::attention(rows, T, width), 4.0 * word * d(rows) * d(width)};
}
Cost attention_backward_cost(std::int64_t rows, std::int64_t T, std::int64_t width) {
    return {op_flops::attention_backward(rows, T, width), 8.0 * word * d(rows) * d(width)};
}
Cost head_loss_cost(std::int64_t rows, std::int64_t V, bool with_teacher, bool gradient) {
    const double logits = d(rows) * d(V);
    const double moves = 1.0 + (with_teacher ? 1.0 : 0.0) + (gradient ? 1.0 : 0.0);
    return {(with_teacher ? op_flops::head_loss_with_teacher : op_flops::head_loss) * logits,
            moves * word * logits};
}
Cost clone_cost(std::int64_t rows, std::int64_t C) {
    return {op_flops::clone * d(rows) * d(C), 4.0 * word * d(rows) * d(C)};
}
Cost adamw_cost(std::int64_t parameters) {
    return {op_flops::adamw * d(parameters), 7.0 * word * d(parameters)};
}

PartCosts& PartCosts::operator+=(const PartCosts& o) {
    for (int i = 0; i < 4; ++i) {
        part[i] += o.part[i];
    }
    return *this;
}

double PartCosts::products() const {
    return (*this)[Part::linears].flops + (*this)[Part::head].flops;
}

double PartCosts::flops() const { return products() + (*this)[Part::attention].flops; }

PartCosts blocks_forward_cost(const Architecture& model, std::int64_t rows, std::int64_t T) {
    const Gpt2Config& c = model.config;
    PartCosts costs;
    for_each_linear(model, [&](const FormSpec& spec, const LinearShape& shape) {
        costs[Part::linears] += linear_cost(spec, shape, rows);
    });
    if (model.embedding_rank > 0) {
        costs[Part::linears] += product_cost(rows, c.C, model.embedding_rank);  // Ce[ids] De
    }
    costs[Part::attention] += times(attention_cost(rows, T, c.attention_width()), d(c.L));
    costs[Part::pointwise] += times(layernorm_cost(rows, c.C), 2.0 * d(c.L) + 1.0);
    costs[Part::pointwise] += times(gelu_cost(rows * c.F), d(c.L));
    return costs;
}

PartCosts blocks_backward_cost(const Architecture& model, std::int64_t rows, std::int64_t T) {
    const Gpt2Config& c = model.config;
    PartCosts costs;
    for_each_linear(model, [&](const FormSpec& spec, const LinearShape& shape) {
        costs[Part::linears] += times(linear_cost(spec, shape, rows), 2.0);  // d_x and d_W
    });
    if (model.embedding_rank > 0) {
        costs[Part::linears] += times(product_cost(rows, c.C, model.embedding_rank), 2.0);
    }
    costs[Part::attention] += times(attention_backward_cost(rows, T, c.attention_width()), d(c.L));
    costs[Part::pointwise] += times(layernorm_backward_cost(rows, c.C), 2.0 * d(c.L) + 1.0);
    costs[Part::pointwise] += times(gelu_backward_cost(rows * c.F), d(c.L));
    return costs;
}

PartCosts head_forward_cost(const Architecture& model, std::int64_t rows) {
    const Gpt2Config& c = model.config;
    PartCosts costs;
    if (model.embedding_rank == 0) {
        costs[Part::head] += product_cost(rows, c.V, c.C);
    } else {
        costs[Part::head] += product_cost(rows, model.embedding_rank, c.C);
        costs[Part::head] += product_cost(rows, c.V, model.embedding_rank);
    }
    return costs;
}

PartCosts head_backward_cost(const Architecture& model, std::int64_t rows) {
    PartCosts costs = head_forward_cost(model, rows);
    costs[Part::head] = times(costs[Part::head], 2.0);
    return costs;
}

Cost forms_cost(const Architecture& student) {
    Cost cost;
    for_each_linear(student, [&](const FormSpec& spec, const LinearShape& shape) {
        if (spec.kind == "lifted") {
            const std::int64_t r = spec.rank;
            cost += product_cost(shape.m, r, shape.n);        // W P_r
            cost += product_cost(shape.n, r, shape.m);        // Wᵀ (P_lᵀ d_S)
            cost += times(product_cost(r, r, shape.m), 2.0);  // S, d_S
            cost += times(product_cost(shape.m, r, r), 4.0);  // U, S d_Uᵀ, d_S (W P_r)ᵀ, P_lᵀ d_S
        }
    });
    return cost;
}

PartCosts step_cost(const std::vector<const Architecture*>& students, const Architecture* teacher,
                    std::int64_t micro_batches, std::int64_t rows, std::int64_t T) {
    PartCosts micro;
    if (teacher != nullptr) {
        micro += blocks_forward_cost(*teacher, rows, T);
        micro += head_forward_cost(*teacher, rows);
    }
    PartCosts step;
    for (const Architecture* student : students) {
        micro += blocks_forward_cost(*student, rows, T);
        micro += blocks_backward_cost(*student, rows, T);
        micro += head_forward_cost(*student, rows);
        micro += head_backward_cost(*student, rows);
        micro[Part::pointwise] += head_loss_cost(rows, student->config.V, teacher != nullptr, true);
        step[Part::linears] += forms_cost(*student);
    }
    for (Cost& cost : micro.part) {
        cost = times(cost, d(micro_batches));
    }
    return step += micro;
}

}  // namespace lrd
