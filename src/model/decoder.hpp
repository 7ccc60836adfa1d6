// SPDX-License-Identifier: MIT
// Decoder: a model that is asked for one token after the other. Keys and values of all tokens so far
// stay in a cache, so that a new token costs one row of every product.
#pragma once

#include <span>
#include <vector>

#include "model/gpt2.hpp"

namespace lrd {

using TokenIds = std::vector<std::int32_t>;

/// Room that a decoder takes, once: sequences, tokens of the longest prompt, and of the longest text
/// (prompt and what follows, at most the model's context).
struct DecoderShape {
    std::int64_t sequences, prompt, text;
};

class Decoder {
public:
    /// The weights (any form, materialised) must outlive this.
    Decoder(Weights& weights, const std::string& name, DecoderShape shape);

    const Gpt2Config& config() const { return gpt2_.config(); }
    const DecoderShape& shape() const { return shape_; }

    /// Forgets all and reads prompts of 1 to shape().prompt ids, one per sequence.
    void prefill(std::span<const TokenIds> prompts);
    /// One more token for each sequence; a token below 0 ends its sequence.
    void step(std::span<const std::int32_t> tokens);

    /// Of the last token of sequence b, for the token that follows; valid until the next call.
    std::span<const float> logits(std::size_t b) const;  // (V)

private:
    /// Whole prompts: attention as ever, and their keys and values into the cache.
    struct Prefill : AttentionStep {
        explicit Prefill(Decoder& d) : decoder(d) {}
        void add_positions(const View& x) override;
        void attend(std::int64_t layer, const View& y, const View& lse, const View& qkv) override;
        Decoder& decoder;
    };
    /// One token per sequence at position lengths_[b].
    struct Step : AttentionStep {
        explicit Step(Decoder& d) : decoder(d) {}
        void add_positions(const View& x) override;
        void attend(std::int64_t layer, const View& y, const View& lse, const View& qkv) override;
        Decoder& decoder;
    };
    View cache(std::int64_t layer, std::int64_t part) const;  // (B, text, H·D); 0: keys, 1: values
    View first(const View& x) const { return x.slice(0, B()); }
    std::int64_t B() const { return static_cast<std::int64_t>(lengths_.size()); }
    void download_logits();

    Backend& backend_;
    DecoderShape shape_;
    Gpt2 gpt2_;
    Arena arena_;
    std::vector<View> caches_;           // per layer keys and values, (sequences, text, H·D) each
    View ids_, device_lengths_;          // (sequences·prompt) i32, (sequences) i32
    View position_rows_;                 // (sequences, C)
    View z_;                             // (sequences, V)
    std::vector<std::int32_t> lengths_;  // tokens in the cache, per sequence; 0: ended
    std::vector<std::int32_t> host_ids_;
    std::vector<float> host_z_;
};

}  // namespace lrd
