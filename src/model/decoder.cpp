// SPDX-License-Identifier: MIT
#include "model/decoder.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/check.hpp"

namespace lrd {

Decoder::Decoder(Weights& weights, const std::string& name, DecoderShape shape)
    : backend_(weights.backend()),
      shape_(shape),
      gpt2_(weights, name, {shape.sequences, shape.prompt}, false),
      arena_(weights.backend(), name + " cache") {
    const Gpt2Config& c = config();
    LRD_CHECK(
        shape.sequences > 0 && shape.prompt > 0 && shape.prompt <= shape.text && shape.text <= c.T,
        "a decoder for {} prompts of {} and texts of {} tokens", shape.sequences, shape.prompt,
        shape.text);
    for (std::int64_t l = 0; l < c.L; ++l) {
        for (const char* part : {"keys", "values"}) {
            caches_.push_back(arena_.region(fmt::format("h.{} {}", l, part), DType::f32,
                                            {shape.sequences, shape.text, c.attention_width()}));
        }
    }
    ids_ = arena_.region("ids", DType::i32, {shape.sequences * shape.prompt});
    device_lengths_ = arena_.region("lengths", DType::i32, {shape.sequences});
    position_rows_ = arena_.region("positions", DType::f32, {shape.sequences, c.C});
    z_ = arena_.region("logits", DType::f32, {shape.sequences, c.V});
    host_z_.resize(static_cast<std::size_t>(z_.size()));
}

// Shorter prompts are filled up on the right: attention is causal, so no token sees the filling, and
// the first new tokens take its place in the cache.
void Decoder::prefill(std::span<const TokenIds> prompts) {
    lengths_.clear();
    std::size_t longest = 0;
    for (const TokenIds& prompt : prompts) {
        lengths_.push_back(static_cast<std::int32_t>(prompt.size()));
        longest = std::max(longest, prompt.size());
        LRD_CHECK(!prompt.empty(), "an empty prompt");
    }
    const auto T = static_cast<std::int64_t>(longest);
    LRD_CHECK(B() > 0 && B() <= shape_.sequences && T <= shape_.prompt,
              "{} prompts of up to {} tokens in a decoder for {} of {}", B(), T, shape_.sequences,
              shape_.prompt);
    host_ids_.assign(prompts.size() * longest, 0);
    for (std::size_t b = 0; b < prompts.size(); ++b) {
        std::copy(prompts[b].begin(), prompts[b].end(),
                  host_ids_.begin() + static_cast<std::ptrdiff_t>(b * longest));
    }
    const View ids = ids_.slice(0, B() * T);
    backend_.upload(ids, host_ids_.data());
    Prefill hooks(*this);
    gpt2_.forward(ids, {B(), T}, {.step = &hooks});
    for (std::int64_t b = 0; b < B(); ++b) {
        const std::int64_t last = b * T + lengths_[static_cast<std::size_t>(b)] - 1;
        gpt2_.logits(z_.slice(b, b + 1), last, last + 1);
    }
    download_logits();
}

void Decoder::step(std::span<const std::int32_t> tokens) {
    LRD_CHECK(tokens.size() == lengths_.size(), "{} tokens for {} sequences", tokens.size(),
              lengths_.size());
    host_ids_.assign(tokens.begin(), tokens.end());
    for (std::size_t b = 0; b < tokens.size(); ++b) {
        if (tokens[b] < 0) {  // it costs a row of each product and attends to itself alone
            host_ids_[b] = 0;
            lengths_[b] = 0;
        }
        LRD_CHECK(lengths_[b] < shape_.text, "sequence {} is full with {} tokens", b, shape_.text);
    }
    backend_.upload(first(ids_), host_ids_.data());
    backend_.upload(first(device_lengths_), lengths_.data());
    Step hooks(*this);
    gpt2_.forward(first(ids_), {B(), 1}, {.step = &hooks});
    gpt2_.logits(first(z_), 0, B());
    for (std::size_t b = 0; b < tokens.size(); ++b) {
        lengths_[b] += tokens[b] < 0 ? 0 : 1;
    }
    download_logits();
}

std::span<const float> Decoder::logits(std::size_t b) const {
    const auto V = static_cast<std::size_t>(config().V);
    return std::span(host_z_).subspan(b * V, V);
}

void Decoder::download_logits() {
    backend_.download(host_z_.data(), first(z_));
    backend_.synchronize();
}

View Decoder::cache(std::int64_t layer, std::int64_t part) const {
    return first(caches_[static_cast<std::size_t>(2 * layer + part)]);
}

void Decoder::Prefill::add_positions(const View& x) {
    decoder.backend_.add_positions(
        x, decoder.gpt2_.weights().positions().slice(0, x.rows() / decoder.B()));
}

void Decoder::Prefill::attend(std::int64_t layer, const View& y, const View& lse, const View& qkv) {
    const Gpt2Config& c = decoder.config();
    const AttentionShape shape{decoder.B(), qkv.rows() / decoder.B(), c.H, c.D};
    decoder.backend_.attention(y, lse, qkv, shape);
    decoder.backend_.store_kv(decoder.cache(layer, 0), decoder.cache(layer, 1), qkv, shape);
}

void Decoder::Step::add_positions(const View& x) {
    const View rows = decoder.first(decoder.position_rows_);
    decoder.backend_.embed(rows, decoder.gpt2_.weights().positions(),
                           decoder.first(decoder.device_lengths_));
    decoder.backend_.add(x, rows);
}

void Decoder::Step::attend(std::int64_t layer, const View& y, const View&, const View& qkv) {
    decoder.backend_.attention_decode(y, decoder.cache(layer, 0), decoder.cache(layer, 1), qkv,
                                      decoder.first(decoder.device_lengths_), decoder.config().H);
}

}  // namespace lrd
