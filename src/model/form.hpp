// SPDX-License-Identifier: MIT
// Form: how one linear of a model is parameterised. A linear runs on what `materialise` makes of
// the trained tensors (two factors or one matrix), once per step; `pull_back` turns the gradients
// of that into gradients of the trained tensors, once per step. Between the two, work per
// micro-batch depends on the materialised tensors alone.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/backend.hpp"
#include "model/gpt2_config.hpp"
#include "model/parameter_table.hpp"

namespace lrd {

struct FormSpec {
    std::string kind;       // "dense" | "factored" | "lifted"
    std::int64_t rank = 0;  // of the factors; unused for dense
};

/// What is copied to another dtype.
struct Cast {
    View to, from;
};

/// What is done once per step, stage after stage: its casts, then its products, which are
/// independent of each other.
struct Stage {
    std::vector<Cast> casts;
    std::vector<Product> products;
};
class Stages {
public:
    /// Nothing, where both are of one dtype: then they are one view.
    void add(std::size_t stage, const Cast& cast);
    void add(std::size_t stage, const Product& product) { at(stage).products.push_back(product); }
    void run(Backend& backend) const;

private:
    Stage& at(std::size_t stage);
    std::vector<Stage> stages_;
};

/// Factors that stay as they are for a step or longer, once more as products take them fastest.
class Packs {
public:
    Packs(Backend& backend, Arena& arena) : backend_(&backend), arena_(&arena) {}
    /// Room for b (K, N), or none where the device takes it best as it is.
    View add(const std::string& name, const View& b);
    void run() const;

private:
    struct Pack {
        View to, from;
    };
    Backend* backend_;
    Arena* arena_;
    std::vector<Pack> packs_;
};

/// The memory a form works in. `d_materialised` is reduced over the ranks before pull_back.
struct FormMemory {
    Tensors trained, d_trained, d_materialised;  // gradients are empty at inference
    Tensors operands;                            // trained, as products take it (Backend::stored)
    Tensors teacher;                             // its operands, frozen; empty without a teacher
    Arena* arena;                                // for what the form keeps besides
    Packs* packs;                                // made after `materialise`

    bool trains() const { return d_materialised.table != nullptr; }
};

class Form {
public:
    explicit Form(LinearShape shape) : shape_(std::move(shape)) {}
    virtual ~Form() = default;

    const LinearShape& shape() const { return shape_; }
    virtual std::string kind() const = 0;
    virtual std::int64_t rank() const { return 0; }
    /// Tensors that the optimiser sees, and those whose gradients are reduced (same names where a
    /// tensor is used as it is).
    virtual std::vector<Parameter> trained() const = 0;
    virtual std::vector<Parameter> materialised() const { return trained(); }
    /// Width of what forward() keeps for backward() per row besides x (0: nothing).
    virtual std::int64_t kept_width() const { return 0; }

    virtual void bind(const FormMemory& memory) = 0;
    virtual void plan_materialise(Stages&) const {}
    virtual void plan_pull_back(Stages&) const {}

    /// y (N, m) = x (N, n) Wᵀ + b; kept (N, kept_width) out.
    virtual void forward(Backend&, const View& y, const View& x, const View& kept) const = 0;
    /// The same y, bit for bit, from x and what forward() kept.
    virtual void forward_again(Backend& backend, const View& y, const View& x,
                               const View& kept) const {
        forward(backend, y, x, kept);
    }
    /// d_x (N, n) out; gradients of the materialised tensors +=. d_kept: scratch like kept.
    virtual void backward(Backend&, const View& d_x, const View& d_y, const View& x,
                          const View& kept, const View& d_kept) const = 0;
    /// w (n, m) = Wᵀ, the layout of files, from the materialised tensors.
    virtual void merge(Backend&, const View& w) const = 0;
    /// What it runs on, W = U Rᵀ with U (m, r) and R (n, r); empty for one matrix.
    virtual std::pair<View, View> factors() const { return {}; }

private:
    LinearShape shape_;
};

/// Error(usage) for an unknown kind or a rank outside [1, min(m, n)].
std::unique_ptr<Form> make_form(const FormSpec& spec, const LinearShape& shape);

}  // namespace lrd
