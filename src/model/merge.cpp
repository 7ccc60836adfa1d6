// SPDX-License-Identifier: MIT
#include "model/merge.hpp"

#include <algorithm>

namespace lrd {

bool is_dense(const Architecture& a) {
    return a.embedding_rank == 0 &&
           std::all_of(a.linears.begin(), a.linears.end(),
                       [](const FormSpec& spec) { return spec.kind == "dense"; });
}

std::unique_ptr<Weights> merged(const Weights& weights, const std::string& name) {
    auto dense = std::make_unique<Weights>(weights.backend(), name,
                                           dense_architecture(weights.config()), Use::inference);
    merge(weights, *dense);
    return dense;
}

void merge(const Weights& weights, Weights& dense) {
    Backend& backend = weights.backend();
    for (const Parameter& p : dense.trained().all()) {
        if (weights.trained().has(p.name)) {
            backend.copy(dense.parameters().view(p), weights.parameters()(p.name));
        }
    }
    weights.embedding().merge(backend, dense.parameters()("wte.weight"));
    for (std::int64_t l = 0; l < weights.config().L; ++l) {
        for (int i = 0; i < linears_per_layer; ++i) {
            const Form& form = weights.form(l, static_cast<Linear>(i));
            form.merge(backend, dense.parameters()(form.shape().name + ".weight"));
        }
    }
}

}  // namespace lrd
