// SPDX-License-Identifier: MIT
#include "model/merge.hpp"

#include <algorithm>

namespace lrd {

std::vector<float> transposed(const std::vector<float>& x, std::int64_t rows, std::int64_t cols) {
    std::vector<float> out(x.size());
    for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < cols; ++j) {
            out[static_cast<std::size_t>(j * rows + i)] = x[static_cast<std::size_t>(i * cols + j)];
        }
    }
    return out;
}

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
    weights.embedding().merge(backend, dense.parameters());
    for (std::int64_t l = 0; l < weights.config().L; ++l) {
        for (int i = 0; i < linears_per_layer; ++i) {
            const Form& form = weights.form(l, static_cast<Linear>(i));
            form.merge(backend, dense.parameters()(form.shape().name + ".weight"));
        }
    }
}

std::unique_ptr<Weights> with_plain_factors(const Weights& weights, const std::string& name) {
    Backend& backend = weights.backend();
    Architecture architecture = weights.architecture();
    for (FormSpec& spec : architecture.linears) {
        spec.kind = spec.kind == "dense" ? "dense" : "factored";
    }
    auto out = std::make_unique<Weights>(backend, name, architecture, Use::inference);
    for (const Parameter& p : out->trained().all()) {
        if (weights.trained().has(p.name)) {
            backend.copy(out->parameters().view(p), weights.parameters()(p.name));
        }
    }
    for (std::int64_t l = 0; l < weights.config().L; ++l) {
        for (int i = 0; i < linears_per_layer; ++i) {
            const auto linear = static_cast<Linear>(i);
            const Form& form = weights.form(l, linear);
            if (form.kind() == "lifted") {  // A = U, B = Rᵀ
                const auto [u, r] = form.factors();
                std::vector<float> host(static_cast<std::size_t>(r.size()));
                backend.download(host.data(), r);
                backend.synchronize();
                backend.copy(out->parameters()(form.shape().name + ".A"), u);
                host = transposed(host, r.rows(), r.cols());
                backend.upload(out->parameters()(form.shape().name + ".B"), host.data());
                backend.synchronize();
            }
        }
    }
    return out;
}

}  // namespace lrd
