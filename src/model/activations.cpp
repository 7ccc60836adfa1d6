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
                         Keep what)
    : capacity(shape),
      keep{what.taps || weights.trains(), what.recompute && weights.trains()},
      arena(weights.backend(), name) {
    const Gpt2Config& c = weights.config();
    const DType stored = weights.backend().stored();
    embedded = region("embedded", c.C);
    kept_embed = region("kept embed", weights.embedding().kept_width(), stored);
    make_shared(weights);
    for (std::int64_t l = 0; l < c.L; ++l) {
        blocks.push_back(make_block(weights, l));
    }
    h_out = region("h_out", c.C);
    hidden = region("hidden", c.C, stored);
    mean_f = region("ln_f mean", 1).reshape({rows()});
    rstd_f = region("ln_f rstd", 1).reshape({rows()});
    kept_head = region("kept head", weights.embedding().kept_width(), stored);
    if (weights.trains()) {
        make_backward(weights);
    }
}

View Activations::region(const std::string& name, std::int64_t width, DType dtype) {
    return width == 0 ? View{} : arena.region(name, dtype, {rows(), width});
}

// Within a block, ln_1 is dead when ln_2 is written, and qkv when fc is. Without a backward pass
// gelu may replace fc, and nothing outlives its block but taps.
void Activations::make_shared(const Weights& weights) {
    const Gpt2Config& c = weights.config();
    const DType stored = weights.backend().stored();
    const std::int64_t width = c.attention_width();
    shared_.mlp = region("mlp", c.C);
    if (weights.trains() && !keep.recompute) {
        return;
    }
    shared_.h_mid = region("h_mid", c.C);
    shared_.ln_1 = shared_.ln_2 = region("ln", c.C, stored);
    const View wide = region("qkv or fc", std::max(3 * width, c.F), stored);
    shared_.qkv = wide.at(0, {rows(), 3 * width});
    shared_.fc = wide.at(0, {rows(), c.F});
    shared_.gelu = keep.recompute ? region("gelu", c.F, stored) : shared_.fc;
    if (weights.trains()) {
        return;
    }
    kept_scratch_ = region("kept", widest_kept(weights), stored);
    shared_.att = region("att", width, stored);
    shared_.lse = region("lse", c.H).reshape({capacity.B, c.H, capacity.T});
    shared_.mean_1 = shared_.mean_2 = region("mean", 1).reshape({rows()});
    shared_.rstd_1 = shared_.rstd_2 = region("rstd", 1).reshape({rows()});
    if (!keep.taps) {
        shared_.h_in = region("h_in", c.C);
        shared_.a = region("a", c.C);
    }
}

BlockActivations Activations::make_block(const Weights& weights, std::int64_t layer) {
    const Gpt2Config& c = weights.config();
    const DType stored = weights.backend().stored();
    BlockActivations b = shared_;
    const auto own = [&](const char* what, std::int64_t width, DType dtype = DType::f32) {
        return region(fmt::format("h.{} {}", layer, what), width, dtype);
    };
    const auto column = [&](const char* what) { return own(what, 1).reshape({rows()}); };
    // Ranks may differ from linear to linear, so what is shared is a scratch for the widest.
    const auto kept = [&](Linear linear) {
        const std::int64_t width = weights.form(layer, linear).kept_width();
        return weights.trains() ? own("kept", width, stored)
               : width == 0     ? View{}
                                : kept_scratch_.at(0, {rows(), width});
    };
    b.kept_attn = kept(Linear::c_attn);
    b.kept_proj = kept(Linear::attn_c_proj);
    b.kept_fc = kept(Linear::c_fc);
    b.kept_mlp = kept(Linear::mlp_c_proj);
    if (keep.taps) {
        b.h_in = layer > 0 ? own("in", c.C) : embedded;
        b.a = own("a", c.C);
    }
    if (!weights.trains()) {
        return b;
    }
    b.att = own("att", c.attention_width(), stored);
    b.lse = own("lse", c.H).reshape({capacity.B, c.H, capacity.T});
    b.mean_1 = column("mean_1");
    b.rstd_1 = column("rstd_1");
    b.mean_2 = column("mean_2");
    b.rstd_2 = column("rstd_2");
    if (!keep.recompute) {
        b.ln_1 = own("ln_1", c.C, stored);
        b.qkv = own("qkv", 3 * c.attention_width(), stored);
        b.h_mid = own("h_mid", c.C);
        b.ln_2 = own("ln_2", c.C, stored);
        b.fc = own("fc", c.F, stored);
        b.gelu = own("gelu", c.F, stored);
    }
    return b;
}

// ln_f reads mlp last, and its backward d_hidden: from then on their places are free. d_c is read
// before the next operand is written.
void Activations::make_backward(const Weights& weights) {
    const Gpt2Config& c = weights.config();
    const DType stored = weights.backend().stored();
    d_h = region("d_h", c.C);
    d_a = shared_.mlp;
    d_hidden = region("d_hidden, d_c", c.C, stored);
    d_c = d_hidden;
    if (stored != DType::f32) {
        d_operand = d_c;
    }
    d_wide = region("d_wide", std::max(3 * c.attention_width(), c.F), stored);
    d_att = region("d_att", c.attention_width(), stored);
    d_kept = region("d_kept", widest_kept(weights), stored);
}

}  // namespace lrd
