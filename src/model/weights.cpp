// SPDX-License-Identifier: MIT
#include "model/weights.hpp"

#include <fmt/core.h>

#include "core/check.hpp"

namespace lrd {
namespace {

using ParametersOf = std::vector<Parameter> (Form::*)() const;

/// All tensors of a model: those of the forms as `of_form` says, and what no form touches.
ParameterTable make_table(const std::vector<std::unique_ptr<Form>>& forms,
                          const Embedding& embedding, const Gpt2Config& config,
                          ParametersOf of_form) {
    std::vector<Parameter> all = embedding.trained();
    const auto add_norm = [&](const std::string& name) {
        all.push_back(vector(name + ".weight", config.C));
        all.push_back(vector(name + ".bias", config.C));
    };
    all.push_back(matrix("wpe.weight", config.T, config.C));
    for (std::int64_t l = 0; l < config.L; ++l) {
        add_norm(fmt::format("h.{}.ln_1", l));
        add_norm(fmt::format("h.{}.ln_2", l));
    }
    for (const auto& form : forms) {
        for (Parameter& p : (form.get()->*of_form)()) {
            all.push_back(std::move(p));
        }
    }
    add_norm("ln_f");
    return ParameterTable(std::move(all));
}

}  // namespace

Architecture dense_architecture(const Gpt2Config& config) {
    return low_rank_architecture(config, "dense", {}, 0);
}

Architecture low_rank_architecture(const Gpt2Config& config, const std::string& form,
                                   const std::vector<std::int64_t>& ranks,
                                   std::int64_t embedding_rank) {
    const auto linears = static_cast<std::size_t>(config.L * linears_per_layer);
    const std::size_t n = ranks.size();
    const bool dense = form == "dense";
    if (!dense && n != 1 && n != static_cast<std::size_t>(config.L) && n != linears) {
        fail(ExitCode::usage,
             "student.rank has {} entries; give one for all, {} (one per layer) or "
             "{} (one per linear)",
             n, config.L, linears);
    }
    Architecture out{config, {}, embedding_rank};
    for (std::size_t i = 0; i < linears; ++i) {
        out.linears.push_back({form, dense ? 0 : ranks[i * n / linears]});
    }
    return out;
}

Weights::Weights(Backend& backend, const std::string& name, Architecture architecture, Use use,
                 const Weights* teacher, Memory* memory)
    : backend_(backend),
      architecture_(std::move(architecture)),
      use_(use),
      arena_(memory != nullptr ? *memory : backend, name + " weights"),
      embedding_(architecture_.config, architecture_.embedding_rank),
      packs_(backend, arena_) {
    const std::vector<LinearShape> shapes = linear_shapes(config());
    LRD_CHECK(architecture_.linears.size() == shapes.size(), "{} forms for {} linears",
              architecture_.linears.size(), shapes.size());
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        forms_.push_back(make_form(architecture_.linears[i], shapes[i]));
    }
    trained_table_ = make_table(forms_, embedding_, config(), &Form::trained);
    materialised_table_ = make_table(forms_, embedding_, config(), &Form::materialised);
    bind(teacher);
}

void Weights::bind(const Weights* teacher) {
    const auto flat = [&](const std::string& name, const ParameterTable& table,
                          DType dtype = DType::f32) {
        const Tensors tensors{&table, arena_.region(name, dtype, {table.flat_size()})};
        backend_.zero(tensors.flat);  // the padding between tensors stays 0
        return tensors;
    };
    parameters_ = flat("parameters", trained_table_);
    operands_ = parameters_;
    if (backend_.stored() != DType::f32) {
        operands_ = flat("operands", trained_table_, backend_.stored());
        materialise_.add(0, Cast{operands_.flat, parameters_.flat});
    }
    if (trains()) {
        d_materialised_ = flat("gradients", materialised_table_);
        // Forms that train what they run on share one arena of gradients.
        d_trained_ = trained_table_ == materialised_table_
                         ? d_materialised_
                         : flat("trained gradients", trained_table_);
    }
    const FormMemory memory{parameters_,
                            d_trained_,
                            d_materialised_,
                            operands_,
                            teacher != nullptr ? teacher->operands() : Tensors{},
                            &arena_,
                            trains() ? nullptr : &packs_};
    embedding_.bind(memory);
    for (const auto& form : forms_) {
        form->bind(memory);
        form->plan_materialise(materialise_);
        if (trains()) {
            form->plan_pull_back(pull_back_);
        }
    }
    positions_ = parameters_("wpe.weight");
    d_positions_ = trains() ? d_materialised_("wpe.weight") : View{};
    for (std::int64_t l = 0; l < config().L; ++l) {
        norms_.push_back(norm(fmt::format("h.{}.ln_1", l)));
        norms_.push_back(norm(fmt::format("h.{}.ln_2", l)));
    }
    norms_.push_back(norm("ln_f"));
}

Norm Weights::norm(const std::string& name) const {
    Norm n{parameters_(name + ".weight"), parameters_(name + ".bias"), {}, {}};
    if (trains()) {
        n.d_gamma = d_materialised_(name + ".weight");
        n.d_beta = d_materialised_(name + ".bias");
    }
    return n;
}

const Form& Weights::form(std::int64_t layer, Linear linear) const {
    return *forms_[static_cast<std::size_t>(layer * linears_per_layer + static_cast<int>(linear))];
}

void Weights::materialise() {
    materialise_.run(backend_);
    packs_.run();
}

const Tensors& Weights::parameters() const {
    LRD_CHECK(!masters_released_, "the parameters of {} are released", arena_.name());
    return parameters_;
}

// Tables come before linears in the flat arena, vectors after them; both are read in fp32.
void Weights::release_masters() {
    if (trains() || operands_.flat.dtype() == parameters_.flat.dtype()) {
        return;
    }
    const std::int64_t first = trained_table_.find(forms_.front()->trained().front().name).offset;
    arena_.discard(parameters_.flat.at(first, {trained_table_.decay_end() - first}));
    masters_released_ = true;
}

void Weights::zero_gradients() { backend_.zero(d_materialised_.flat); }

void Weights::pull_back() {
    if (d_trained_.table == d_materialised_.table) {
        return;
    }
    for (const Parameter& p : materialised_table_.all()) {
        if (trained_table_.has(p.name)) {  // used as it is, or the first term of pull_back
            backend_.copy(d_trained_(p.name), d_materialised_.view(p));
        }
    }
    pull_back_.run(backend_);
}

}  // namespace lrd
