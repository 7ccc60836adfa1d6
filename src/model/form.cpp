// SPDX-License-Identifier: MIT
#include "model/form.hpp"

#include <algorithm>

#include "core/check.hpp"
#include "model/dense_form.hpp"
#include "model/factored_form.hpp"
#include "model/lifted_form.hpp"

namespace lrd {

Stage& Stages::at(std::size_t stage) {
    stages_.resize(std::max(stages_.size(), stage + 1));
    return stages_[stage];
}

void Stages::add(std::size_t stage, const Cast& cast) {
    if (cast.to.dtype() != cast.from.dtype()) {
        at(stage).casts.push_back(cast);
    }
}

void Stages::run(Backend& backend) const {
    for (const Stage& stage : stages_) {
        for (const Cast& cast : stage.casts) {
            backend.cast(cast.to, cast.from);
        }
        backend.grouped_matmul(stage.products);
    }
}

View Packs::add(const std::string& name, const View& b) {
    const auto bytes = static_cast<std::int64_t>(backend_->packed_bytes(b));
    if (bytes == 0) {
        return {};
    }
    packs_.push_back({arena_->region(name + " packed", DType::i8, {bytes}), b});
    return packs_.back().to;
}

void Packs::run() const {
    for (const Pack& pack : packs_) {
        backend_->pack(pack.to, pack.from);
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
