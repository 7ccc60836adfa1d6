// SPDX-License-Identifier: MIT
// Generation: from prompts to new tokens, several prompts side by side.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/random.hpp"
#include "model/decoder.hpp"
#include "model/sampling.hpp"

namespace lrd {

struct GenerationSettings {
    Sampling sampling;
    std::int64_t max_new = 128;
    std::int32_t end_of_text = -1;  // this token ends a text; below 0: none does
    std::int64_t seed = 1;
};

enum class Stop { end_of_text, max_new, context };
const char* name_of(Stop stop);  ///< "end-of-text", …

struct Generated {
    TokenIds ids;  // new ones, with the end-of-text token if there is one
    Stop stop = Stop::max_new;
};

/// Hears of every new token as it comes.
using OnToken = std::function<void(std::size_t prompt, std::int32_t id)>;
inline void nobody(std::size_t, std::int32_t) {}

/// Prompts of 1 to T ids each; they and their new tokens together fill at most the model's context.
/// The random numbers of a text depend on the seed, its prompt, how often the same prompt came
/// before, and the place of the token: not on the other prompts.
std::vector<Generated> generate(Decoder& decoder, std::span<const TokenIds> prompts,
                                const GenerationSettings& settings, const OnToken& each = nobody);

/// The i-th number of it is for the i-th new token; `repeat`: how often the prompt came before.
Random random_of_text(std::int64_t seed, const TokenIds& prompt, int repeat);

/// The room that generate() needs for these prompts, `side_by_side` of them at a time.
DecoderShape room_for(const Gpt2Config& config, std::span<const TokenIds> prompts,
                      std::int64_t max_new, std::int64_t side_by_side);

}  // namespace lrd
