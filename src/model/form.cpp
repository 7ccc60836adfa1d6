// SPDX-License-Identifier: MIT
#include "model/form.hpp"

#include <algorithm>

#include "core/check.hpp"
#include "model/dense_form.hpp"
#include "model/factored_form.hpp"
#include "model/lifted_form.hpp"

namespace lrd {

void add_product(ProductStages& stages, std::size_t stage, const Product& product) {
    stages.resize(std::max(stages.size(), stage + 1));
    stages[stage].push_back(product);
}

void run(Backend& backend, const ProductStages& stages) {
    for (const auto& stage : stages) {
        backend.grouped_matmul(stage);
    }
}

std::unique_ptr<Form> make_form(const FormSpec& spec, const LinearShape& shape) {
    if (spec.kind == "dense") {
        return std::make_unique<DenseForm>(shape);
    }
    const std::int64_t full = std::min(shape.m, shape.n);
    if (spec.rank < 1 || spec.rank > full) {
        fail(ExitCode::usage,
             "rank {} of {} is not in 1..{} (= min of {} and {}); change "
             "student.rank",
             spec.rank, shape.name, full, shape.m, shape.n);
    }
    if (spec.kind == "factored") {
        return std::make_unique<FactoredForm>(shape, spec.rank);
    }
    if (spec.kind == "lifted") {
        return std::make_unique<LiftedForm>(shape, spec.rank);
    }
    fail(ExitCode::usage, "student.form = \"{}\" is not one of lifted, factored, dense", spec.kind);
}

}  // namespace lrd
