// SPDX-License-Identifier: MIT
#include "model/gpt2.hpp"

#include "core/check.hpp"

namespace lrd {

Gpt2::Gpt2(Weights& weights, const std::string& name, BatchShape capacity, Keep keep)
    : weights_(weights),
      backend_(weights.backend()),
      memory_(weights, name + " activations", capacity, keep),
      batch_(capacity) {}

// x = E[ids] + positions; then per block (pre-LayerNorm GPT-2):
//   a = attn(ln_1(h)) ; h_mid = h + a ; h' = h_mid + mlp(ln_2(h_mid))
// A block leaves h_mid and mlp; the next LayerNorm adds them while it normalises.
void Gpt2::forward(const View& ids, BatchShape batch, const ForwardOptions& options) {
    LRD_CHECK(batch.rows() <= memory_.capacity.rows() && batch.T <= config().T,
              "batch {} × {} does not fit", batch.B, batch.T);
    LRD_CHECK(options.dropout.rate == 0.0F || weights_.trains(), "dropout outside of training");
    batch_ = batch;
    options_ = options;
    const View x = rows(memory_.embedded);
    weights_.embedding().forward(backend_, x, ids, rows(memory_.kept_embed));
    add_positions(x);
    drop(x, 0, DropoutPlace::embedding);
    block_forward(0, x, {});
    for (std::int64_t l = 1; l < config().L; ++l) {
        const BlockActivations& below = memory_.blocks[static_cast<std::size_t>(l - 1)];
        block_forward(l, rows(below.h_mid), rows(below.mlp));
    }
    const BlockActivations& last = memory_.blocks.back();
    backend_.layernorm({.y = hidden(),
                        .h = rows(memory_.h_out),
                        .mean = rows(memory_.mean_f),
                        .rstd = rows(memory_.rstd_f),
                        .x = rows(last.h_mid),
                        .residual = rows(last.mlp),
                        .gamma = weights_.ln_f().gamma,
                        .beta = weights_.ln_f().beta,
                        .epsilon = config().epsilon});
}

/// The block's input is x + residual (residual none for the first block).
void Gpt2::block_forward(std::int64_t l, const View& x, const View& residual) {
    const BlockActivations& b = memory_.blocks[static_cast<std::size_t>(l)];
    const View h_in = residual ? rows(b.h_in) : x;
    norm_1(l, x, residual);
    weights_.form(l, Linear::c_attn)
        .forward(backend_, rows(b.qkv), rows(b.ln_1), rows(b.kept_attn));
    attend(l, b);
    weights_.form(l, Linear::attn_c_proj)
        .forward(backend_, rows(b.a), rows(b.att), rows(b.kept_proj));
    drop(rows(b.a), l, DropoutPlace::attention);
    norm_2(l, h_in);
    weights_.form(l, Linear::c_fc).forward(backend_, rows(b.fc), rows(b.ln_2), rows(b.kept_fc));
    backend_.gelu(rows(b.gelu), rows(b.fc));
    weights_.form(l, Linear::mlp_c_proj)
        .forward(backend_, rows(b.mlp), rows(b.gelu), rows(b.kept_mlp));
    drop(rows(b.mlp), l, DropoutPlace::mlp);
}

/// h_in = x + residual; ln_1 of it.
void Gpt2::norm_1(std::int64_t l, const View& x, const View& residual) {
    const BlockActivations& b = memory_.blocks[static_cast<std::size_t>(l)];
    backend_.layernorm({.y = rows(b.ln_1),
                        .h = residual ? rows(b.h_in) : x,
                        .mean = rows(b.mean_1),
                        .rstd = rows(b.rstd_1),
                        .x = x,
                        .residual = residual,
                        .gamma = weights_.ln_1(l).gamma,
                        .beta = weights_.ln_1(l).beta,
                        .epsilon = config().epsilon});
}

/// h_mid = h_in + a; ln_2 of it.
void Gpt2::norm_2(std::int64_t l, const View& h_in) {
    const BlockActivations& b = memory_.blocks[static_cast<std::size_t>(l)];
    backend_.layernorm({.y = rows(b.ln_2),
                        .h = rows(b.h_mid),
                        .mean = rows(b.mean_2),
                        .rstd = rows(b.rstd_2),
                        .x = h_in,
                        .residual = rows(b.a),
                        .gamma = weights_.ln_2(l).gamma,
                        .beta = weights_.ln_2(l).beta,
                        .epsilon = config().epsilon});
}

void Gpt2::add_positions(const View& x) {
    if (options_.step != nullptr) {
        options_.step->add_positions(x);
    } else {
        backend_.add_positions(x, weights_.positions().slice(0, batch_.T), starts());
    }
}

void Gpt2::attend(std::int64_t l, const BlockActivations& b) {
    if (options_.step != nullptr) {
        options_.step->attend(l, rows(b.att), lse(b), rows(b.qkv));
    } else {
        backend_.attention(rows(b.att), lse(b), rows(b.qkv), attention_shape(),
                           attention_options(l));
    }
}

void Gpt2::backward(const View& ids, TapGradient* taps,
                    const std::function<void(std::int64_t)>& layer_done) {
    const View d_h = rows(memory_.d_h);
    backend_.zero(d_h);
    backend_.layernorm_backward({.d_h = d_h,
                                 .d_gamma = weights_.ln_f().d_gamma,
                                 .d_beta = weights_.ln_f().d_beta,
                                 .d_y = d_hidden(),
                                 .h = rows(memory_.h_out),
                                 .mean = rows(memory_.mean_f),
                                 .rstd = rows(memory_.rstd_f),
                                 .gamma = weights_.ln_f().gamma});
    for (std::int64_t l = config().L - 1; l >= 0; --l) {
        block_backward(l, taps);
        if (layer_done) {
            layer_done(l);
        }
    }
    drop(d_h, 0, DropoutPlace::embedding);
    backend_.add_positions_backward(weights_.d_positions().slice(0, batch_.T), d_h, starts());
    const View& e = memory_.kept_embed;
    weights_.embedding().backward(backend_, d_h, operand(d_h), ids, rows(e), d_kept_like(rows(e)));
}

/// What the MLP's backward reads, with recompute: the calls of block_forward, but for the products
/// whose results were kept.
void Gpt2::mlp_again(std::int64_t l) {
    if (!memory_.keep.recompute) {
        return;
    }
    const BlockActivations& b = memory_.blocks[static_cast<std::size_t>(l)];
    norm_2(l, rows(b.h_in));
    weights_.form(l, Linear::c_fc)
        .forward_again(backend_, rows(b.fc), rows(b.ln_2), rows(b.kept_fc));
    backend_.gelu(rows(b.gelu), rows(b.fc));
}

/// … and what that of the attention reads besides its output.
void Gpt2::qkv_again(std::int64_t l) {
    if (!memory_.keep.recompute) {
        return;
    }
    const BlockActivations& b = memory_.blocks[static_cast<std::size_t>(l)];
    norm_1(l, rows(b.h_in), {});
    weights_.form(l, Linear::c_attn)
        .forward_again(backend_, rows(b.qkv), rows(b.ln_1), rows(b.kept_attn));
}

/// d_h (N, C): the gradient of the block's output on entry, of its input on return.
void Gpt2::block_backward(std::int64_t l, TapGradient* taps) {
    const BlockActivations& b = memory_.blocks[static_cast<std::size_t>(l)];
    const View d_h = rows(memory_.d_h);
    const View d_c = rows(memory_.d_c);
    const std::int64_t n = batch_.rows();
    const auto wide = [&](const View& x, std::int64_t width) { return x.at(0, {n, width}); };
    const auto linear_backward = [&](Linear linear, const View& d_x, const View& d_y, const View& x,
                                     const View& z) {
        weights_.form(l, linear).backward(backend_, d_x, d_y, rows(x), rows(z),
                                          d_kept_like(rows(z)));
    };
    const std::int64_t width = config().attention_width();

    if (taps != nullptr && taps->wants(l, Tap::hidden)) {
        taps->add(l, Tap::hidden, d_h, tap(l, Tap::hidden));
    }
    mlp_again(l);
    const View d_gelu = wide(memory_.d_wide, config().F);
    linear_backward(Linear::mlp_c_proj, d_gelu, operand(dropped(d_h, l, DropoutPlace::mlp)), b.gelu,
                    b.kept_mlp);
    backend_.gelu_backward(d_gelu, d_gelu, rows(b.fc));
    linear_backward(Linear::c_fc, d_c, d_gelu, b.ln_2, b.kept_fc);
    backend_.layernorm_backward({.d_h = d_h,
                                 .d_gamma = weights_.ln_2(l).d_gamma,
                                 .d_beta = weights_.ln_2(l).d_beta,
                                 .d_y = d_c,
                                 .h = rows(b.h_mid),
                                 .mean = rows(b.mean_2),
                                 .rstd = rows(b.rstd_2),
                                 .gamma = weights_.ln_2(l).gamma});
    View d_a = d_h;  // of the attention output; a tap there adds to it, not to the residual
    if (taps != nullptr && taps->wants(l, Tap::attention)) {
        d_a = rows(memory_.d_a);
        backend_.copy(d_a, d_h);
        taps->add(l, Tap::attention, d_a, rows(b.a));
    }
    qkv_again(l);
    const View d_att = rows(memory_.d_att);
    const View d_qkv = wide(memory_.d_wide, 3 * width);
    linear_backward(Linear::attn_c_proj, d_att, operand(dropped(d_a, l, DropoutPlace::attention)),
                    b.att, b.kept_proj);
    backend_.attention_backward(d_qkv, d_att, rows(b.att), lse(b), rows(b.qkv), attention_shape(),
                                attention_options(l));
    linear_backward(Linear::c_attn, d_c, d_qkv, b.ln_1, b.kept_attn);
    backend_.layernorm_backward({.d_h = d_h,
                                 .d_gamma = weights_.ln_1(l).d_gamma,
                                 .d_beta = weights_.ln_1(l).d_beta,
                                 .d_y = d_c,
                                 .h = rows(b.h_in),
                                 .mean = rows(b.mean_1),
                                 .rstd = rows(b.rstd_1),
                                 .gamma = weights_.ln_1(l).gamma});
}

View Gpt2::tap(std::int64_t layer, Tap tap) const {
    LRD_CHECK(memory_.keep.taps, "taps are not kept");
    const auto i = static_cast<std::size_t>(layer);
    if (tap == Tap::attention) {
        return rows(memory_.blocks[i].a);
    }
    return rows(layer + 1 < config().L ? memory_.blocks[i + 1].h_in : memory_.h_out);
}

void Gpt2::logits(const View& z, std::int64_t begin, std::int64_t end) {
    const View& e = memory_.kept_head;
    weights_.embedding().logits(backend_, z, hidden().slice(begin, end),
                                e ? e.slice(begin, end) : e);
}

void Gpt2::logits_backward(const View& d_z, std::int64_t begin, std::int64_t end) {
    const View e = memory_.kept_head ? memory_.kept_head.slice(begin, end) : View{};
    weights_.embedding().logits_backward(backend_, d_hidden().slice(begin, end), d_z,
                                         hidden().slice(begin, end), e, d_kept_like(e));
}

void Gpt2::drop(const View& x, std::int64_t layer, DropoutPlace place) {
    if (drops()) {
        backend_.dropout(x, x, options_.dropout.at(layer, place));
    }
}

/// d_y is the residual stream's gradient too, so it stays as it is.
View Gpt2::dropped(const View& d_y, std::int64_t layer, DropoutPlace place) {
    if (!drops()) {
        return d_y;
    }
    const View d_x = rows(memory_.d_a);
    backend_.dropout(d_x, d_y, options_.dropout.at(layer, place));
    return d_x;
}

View Gpt2::operand(const View& d_x) {
    if (!memory_.d_operand) {
        return d_x;
    }
    const View to = rows(memory_.d_operand);
    backend_.cast(to, d_x);
    return to;
}

View Gpt2::d_kept_like(const View& kept) const {
    return kept ? memory_.d_kept.at(0, {kept.rows(), kept.cols()}) : View{};
}

View Gpt2::lse(const BlockActivations& block) const {
    return block.lse.at(0, {batch_.B, config().H, batch_.T});
}

AttentionShape Gpt2::attention_shape() const {
    return {batch_.B, batch_.T, config().H, config().D};
}

AttentionOptions Gpt2::attention_options(std::int64_t layer) const {
    return {.starts = starts(), .dropout = options_.dropout.at(layer, DropoutPlace::probabilities)};
}

}  // namespace lrd
