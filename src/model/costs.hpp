// SPDX-License-Identifier: MIT
// What the parts of a step cost, by the table of core/cost.hpp; bytes are those of operands and
// results, each moved once, in fp32.
#pragma once

#include <string>
#include <vector>

#include "core/cost.hpp"
#include "model/weights.hpp"

namespace lrd {

// ---- per op; letters as in backend.hpp
Cost product_cost(std::int64_t M, std::int64_t N, std::int64_t K);
Cost layernorm_cost(std::int64_t rows, std::int64_t C);
Cost layernorm_backward_cost(std::int64_t rows, std::int64_t C);
Cost gelu_cost(std::int64_t elements);
Cost gelu_backward_cost(std::int64_t elements);
Cost attention_cost(std::int64_t rows, std::int64_t T, std::int64_t width);
Cost attention_backward_cost(std::int64_t rows, std::int64_t T, std::int64_t width);
Cost head_loss_cost(std::int64_t rows, std::int64_t V, bool with_teacher, bool gradient);
Cost clone_cost(std::int64_t rows, std::int64_t C);
Cost adamw_cost(std::int64_t parameters);

// ---- per part of a step; `rows` = B·T of a micro-batch
enum class Part : int { linears, attention, head, pointwise };
/// Only products and attention count towards a part's FLOPs that rates are quoted in; `pointwise`
/// holds the rest.
struct PartCosts {
    Cost part[4];
    Cost& operator[](Part p) { return part[static_cast<int>(p)]; }
    const Cost& operator[](Part p) const { return part[static_cast<int>(p)]; }
    PartCosts& operator+=(const PartCosts& o);
    double flops() const;     ///< linears, attention and head
    double products() const;  ///< linears and head: what matmul executes
};
PartCosts blocks_forward_cost(const Architecture& model, std::int64_t rows, std::int64_t T);
PartCosts blocks_backward_cost(const Architecture& model, std::int64_t rows, std::int64_t T);
PartCosts head_forward_cost(const Architecture& model, std::int64_t rows);
PartCosts head_backward_cost(const Architecture& model, std::int64_t rows);
/// materialise and pull_back, once per step.
Cost forms_cost(const Architecture& student);

/// One step of `micro_batches` micro-batches of `rows` rows; teacher null: from scratch.
PartCosts step_cost(const std::vector<const Architecture*>& students, const Architecture* teacher,
                    std::int64_t micro_batches, std::int64_t rows, std::int64_t T);

}  // namespace lrd
