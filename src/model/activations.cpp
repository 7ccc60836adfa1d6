// SPDX-License-Identifier: MIT
#include "model/activations.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace lrd {
namespace {

std::int64_t widest_kept(const Weights& weights) {
    std::int64_t widest = weights.embedding().kept_width();
    for (std::int64_t l = 0; l < weights.config().L; ++l) {
        for (int i = 0; i < linears_per_layer; ++i) {
            widest = std::max(widest, weights.form(l, static_cast<Linear>(i)).kept_width());
        }
    }
    return widest;
}

}  // namespace

Activations::Activations(const Weights& weights, const std::string& name, BatchShape shape,
                         bool taps)
    : capacity(shape), keep_taps(taps || weights.trains()), arena(weights.backend(), name) {
    const Gpt2Config& c = weights.config();
    const DType stored = weights.backend().stored();
    embedded = region("embedded", c.C);
    kept_embed = region("kept embed", weights.embedding().kept_width(), stored);
    if (!weights.trains()) {
        kept_scratch_ = region("kept", widest_kept(weights), stored);
    }
    for (std::int64_t l = 0; l < c.L; ++l) {
        const bool share = !weights.trains() && l > 0;
        blocks.push_back(make_block(weights, l, share ? &blocks.front() : nullptr));
    }
    h_out = region("h_out", c.C);
    hidden = region("hidden", c.C, stored);
    mean_f = region("ln_f mean", 1).reshape({rows()});
    rstd_f = region("ln_f rstd", 1).reshape({rows()});
    kept_head = region("kept head", weights.embedding().kept_width(), stored);
    if (!weights.trains()) {
        return;
    }
    d_h = region("d_h", c.C);
    d_a = region("d_a", c.C);
    d_hidden = region("d_hidden", c.C, stored);
    d_c = region("d_c", c.C, stored);
    if (stored != DType::f32) {
        d_operand = region("d_operand", c.C, stored);
    }
    d_wide = region("d_wide", std::max(3 * c.attention_width(), c.F), stored);
    d_wide_2 = region("d_wide_2", std::max(c.attention_width(), c.F), stored);
    d_kept = region("d_kept", widest_kept(weights), stored);
}

View Activations::region(const std::string& name, std::int64_t width, DType dtype) {
    return width == 0 ? View{} : arena.region(name, dtype, {rows(), width});
}

BlockActivations Activations::make_block(const Weights& weights, std::int64_t layer,
                                         const BlockActivations* shared) {
    const Gpt2Config& c = weights.config();
    const DType stored = weights.backend().stored();
    BlockActivations b = shared != nullptr ? *shared : BlockActivations{};
    if (shared == nullptr || keep_taps) {
        if (layer > 0 || !keep_taps) {  // the first block reads `embedded`
            b.h_in = region(fmt::format("h.{} in", layer), c.C);
        }
        b.a = region(fmt::format("h.{} a", layer), c.C);
    }
    // Ranks may differ from linear to linear, so what is shared is a scratch for the widest.
    const auto kept = [&](Linear linear) {
        const std::int64_t width = weights.form(layer, linear).kept_width();
        return weights.trains() ? region(fmt::format("h.{} kept", layer), width, stored)
               : width == 0     ? View{}
                                : kept_scratch_.at(0, {rows(), width});
    };
    b.kept_attn = kept(Linear::c_attn);
    b.kept_proj = kept(Linear::attn_c_proj);
    b.kept_fc = kept(Linear::c_fc);
    b.kept_mlp = kept(Linear::mlp_c_proj);
    if (shared != nullptr) {
        return b;
    }
    const auto named = [&](const char* what, std::int64_t width, DType dtype = DType::f32) {
        return region(fmt::format("h.{} {}", layer, what), width, dtype);
    };
    const auto column = [&](const char* what) { return named(what, 1).reshape({rows()}); };
    b.ln_1 = named("ln_1", c.C, stored);
    b.mean_1 = column("mean_1");
    b.rstd_1 = column("rstd_1");
    b.qkv = named("qkv", 3 * c.attention_width(), stored);
    b.att = named("att", c.attention_width(), stored);
    b.lse = named("lse", c.H).reshape({capacity.B, c.H, capacity.T});
    b.h_mid = named("h_mid", c.C);
    b.ln_2 = named("ln_2", c.C, stored);
    b.mean_2 = column("mean_2");
    b.rstd_2 = column("rstd_2");
    b.fc = named("fc", c.F, stored);
    b.gelu = named("gelu", c.F, stored);
    b.mlp = named("mlp", c.C);
    return b;
}

}  // namespace lrd
