// SPDX-License-Identifier: MIT
// Weights: the tensors of one model, what forms make of them, and the memory of both.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/embedding.hpp"
#include "model/form.hpp"

namespace lrd {

/// What a model is made of; a teacher is `dense_architecture`.
struct Architecture {
    Gpt2Config config;
    std::vector<FormSpec> linears;    // linears_per_layer · L, in order of linear_shapes()
    std::int64_t embedding_rank = 0;  // 0: dense
};
Architecture dense_architecture(const Gpt2Config& config);
/// Every linear in `form` with the ranks of the setting: one for all, one per layer or one each.
Architecture low_rank_architecture(const Gpt2Config& config, const std::string& form,
                                   const std::vector<std::int64_t>& ranks,
                                   std::int64_t embedding_rank);

/// Scale and shift of one LayerNorm, (C) each; gradients are empty at inference.
struct Norm {
    View gamma, beta, d_gamma, d_beta;
};

enum class Use { inference, training };

class Weights {
public:
    /// `teacher` is needed by lifted forms and must outlive this. Content is undefined until it
    /// is initialised (initialise.hpp) or loaded (model_file.hpp). Tensors stand in `memory`, the
    /// backend's own if it is null.
    Weights(Backend& backend, const std::string& name, Architecture architecture, Use use,
            const Weights* teacher = nullptr, Memory* memory = nullptr);
    Weights(const Weights&) = delete;
    Weights& operator=(const Weights&) = delete;

    const Architecture& architecture() const { return architecture_; }
    const Gpt2Config& config() const { return architecture_.config; }
    Backend& backend() const { return backend_; }
    bool trains() const { return use_ == Use::training; }

    const Form& form(std::int64_t layer, Linear linear) const;
    const Embedding& embedding() const { return embedding_; }
    const View& positions() const { return positions_; }  // (T, C)
    const View& d_positions() const { return d_positions_; }
    const Norm& ln_1(std::int64_t layer) const {
        return norms_[static_cast<std::size_t>(2 * layer)];
    }
    const Norm& ln_2(std::int64_t layer) const {
        return norms_[static_cast<std::size_t>(2 * layer + 1)];
    }
    const Norm& ln_f() const { return norms_.back(); }

    const ParameterTable& trained() const { return trained_table_; }
    const Tensors& parameters() const;                            ///< trained tensors
    const Tensors& operands() const { return operands_; }         ///< as products take them
    const Tensors& gradients() const { return d_trained_; }       ///< of these, after pull_back
    const Tensors& to_reduce() const { return d_materialised_; }  ///< after backward

    void materialise();  ///< once per step, before the first forward; after loading
    /// Gives back the memory of what materialise() has copied for products and nothing else reads:
    /// the linears of a frozen model. Its parameters() are then no more.
    void release_masters();
    void zero_gradients();  ///< of the materialised tensors
    void pull_back();       ///< once per step, after the reduction
    std::size_t bytes() const { return arena_.bytes(); }
    const Arena& arena() const { return arena_; }

private:
    void bind(const Weights* teacher);
    Norm norm(const std::string& name) const;

    Backend& backend_;
    Architecture architecture_;
    Use use_;
    Arena arena_;
    std::vector<std::unique_ptr<Form>> forms_;
    Embedding embedding_;
    ParameterTable trained_table_, materialised_table_;
    Tensors parameters_, operands_, d_trained_, d_materialised_;
    View positions_, d_positions_;
    std::vector<Norm> norms_;  // ln_1, ln_2 of each layer, then ln_f
    bool masters_released_ = false;
    Stages materialise_, pull_back_;
    Packs packs_;
};

}  // namespace lrd
