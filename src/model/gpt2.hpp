// SPDX-License-Identifier: MIT
// GPT-2 on a batch of B sequences of T tokens (N = B·T rows): forward() and backward() are the
// lists of calls; activations.hpp says what is kept between them.
#pragma once

#include <functional>

#include "model/activations.hpp"
#include "model/dropout.hpp"
#include "model/weights.hpp"

namespace lrd {

/// Adds the gradient of a loss at a tap. backward() calls it with the tap's value and the
/// gradient that has arrived from above, from the last layer to the first.
class TapGradient {
public:
    virtual ~TapGradient() = default;
    virtual bool wants(std::int64_t layer, Tap tap) const = 0;
    virtual void add(std::int64_t layer, Tap tap, const View& d_value, const View& value) = 0;
};

/// The two places of a forward pass that know where tokens stand. Without one, every sequence of
/// the batch is whole and starts at position 0; a decoder (decoder.hpp) brings its cache.
class AttentionStep {
public:
    virtual ~AttentionStep() = default;
    virtual void add_positions(const View& x) = 0;  // (N, C) +=
    /// y (N, H·D) and, if it likes, lse (B, H, T) from qkv (N, 3·H·D).
    virtual void attend(std::int64_t layer, const View& y, const View& lse, const View& qkv) = 0;
};

/// What not every forward pass has.
struct ForwardOptions {
    View starts = {};               // (N) i32, where documents begin (backend.hpp); none: no mask
    ModelDropout dropout = {};      // in training alone
    AttentionStep* step = nullptr;  // in inference alone
};

class Gpt2 {
public:
    /// `capacity` bounds the batches. With keep.taps tap() is valid after forward. The weights must
    /// outlive this.
    Gpt2(Weights& weights, const std::string& name, BatchShape capacity, Keep keep);
    Gpt2(Weights& weights, const std::string& name, BatchShape capacity, bool keep_taps)
        : Gpt2(weights, name, capacity, Keep{.taps = keep_taps}) {}

    Weights& weights() const { return weights_; }
    const Gpt2Config& config() const { return weights_.config(); }
    const Arena& arena() const { return memory_.arena; }
    const Activations& activations() const { return memory_; }  ///< of the capacity's rows

    /// ids: (B·T) i32, on the device.
    void forward(const View& ids, BatchShape batch, const ForwardOptions& options = {});
    /// Needs d_hidden() of every row; gradients of the materialised tensors +=. `layer_done` hears
    /// of each layer, from the last to the first, when the gradients of its linears are complete.
    void backward(const View& ids, TapGradient* taps,
                  const std::function<void(std::int64_t)>& layer_done = {});

    BatchShape batch() const { return batch_; }
    const View& starts() const { return options_.starts; }    // of the batch
    View hidden() const { return rows(memory_.hidden); }      // (N, C) after ln_f
    View d_hidden() const { return rows(memory_.d_hidden); }  // (N, C)
    View tap(std::int64_t layer, Tap tap) const;              // (N, C)

    /// Logits of rows [begin, end) of the batch, and their backward into d_hidden.
    void logits(const View& z, std::int64_t begin, std::int64_t end);
    void logits_backward(const View& d_z, std::int64_t begin, std::int64_t end);

private:
    void block_forward(std::int64_t layer, const View& x, const View& residual);
    void add_positions(const View& x);
    void attend(std::int64_t layer, const BlockActivations& block);
    void norm_1(std::int64_t layer, const View& x, const View& residual);
    void norm_2(std::int64_t layer, const View& h_in);
    void block_backward(std::int64_t layer, TapGradient* taps);
    void mlp_again(std::int64_t layer);
    void qkv_again(std::int64_t layer);
    View rows(const View& x) const { return x ? x.slice(0, batch_.rows()) : x; }
    bool drops() const { return options_.dropout.rate > 0.0F; }
    void drop(const View& x, std::int64_t layer, DropoutPlace place);       // in place
    View dropped(const View& d_y, std::int64_t layer, DropoutPlace place);  // d_y, or in scratch
    View operand(const View& d_x);             // (N, C) as products take it: d_x, or in scratch
    View d_kept_like(const View& kept) const;  // scratch of the same shape
    View lse(const BlockActivations& block) const;  // (B, H, T)
    AttentionShape attention_shape() const;
    AttentionOptions attention_options(std::int64_t layer) const;

    Weights& weights_;
    Backend& backend_;
    Activations memory_;
    BatchShape batch_;
    ForwardOptions options_;  // of the last forward pass, for backward
};

}  // namespace lrd
