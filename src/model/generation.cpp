// SPDX-License-Identifier: MIT
#include "model/generation.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>

namespace lrd {
namespace {

/// One text on its way.
struct Text {
    std::size_t prompt;  // its number
    std::int64_t length;
    Random random;
    Generated out;
    bool ended = false;

    std::int32_t take(std::span<const float> logits, const Sampling& sampling) {
        const double uniform = random.uniform(out.ids.size());
        out.ids.push_back(sample(logits, sampling, uniform));
        return out.ids.back();
    }
    void end_if_due(const GenerationSettings& settings, std::int64_t context) {
        const auto made = static_cast<std::int64_t>(out.ids.size());
        ended = true;
        if (made > 0 && out.ids.back() == settings.end_of_text) {
            out.stop = Stop::end_of_text;
        } else if (made >= settings.max_new) {
            out.stop = Stop::max_new;
        } else if (length + made >= context) {
            out.stop = Stop::context;
        } else {
            ended = false;
        }
    }
};

/// All texts of one filling of the decoder, until the last has ended.
void run(Decoder& decoder, std::span<const TokenIds> prompts, std::span<Text> texts,
         const GenerationSettings& settings, const OnToken& each) {
    const auto all_ended = [&] {
        for (Text& text : texts) {
            text.end_if_due(settings, decoder.config().T);
        }
        return std::all_of(texts.begin(), texts.end(), [](const Text& t) { return t.ended; });
    };
    if (all_ended()) {
        return;
    }
    decoder.prefill(prompts);
    std::vector<std::int32_t> tokens(texts.size());
    while (true) {
        for (std::size_t b = 0; b < texts.size(); ++b) {
            tokens[b] = -1;
            if (!texts[b].ended) {
                tokens[b] = texts[b].take(decoder.logits(b), settings.sampling);
                each(texts[b].prompt, tokens[b]);
            }
        }
        if (all_ended()) {
            return;
        }
        for (std::size_t b = 0; b < texts.size(); ++b) {
            tokens[b] = texts[b].ended ? -1 : tokens[b];
        }
        decoder.step(tokens);
    }
}

}  // namespace

Random random_of_text(std::int64_t seed, const TokenIds& prompt, int repeat) {
    std::string stream = fmt::format("generate {}:", repeat);
    for (const std::int32_t id : prompt) {
        stream += fmt::format(" {}", id);
    }
    return {static_cast<std::uint64_t>(seed), stream};
}

const char* name_of(Stop stop) {
    switch (stop) {
        case Stop::end_of_text: return "end-of-text";
        case Stop::max_new: return "max-new";
        case Stop::context: return "context";
    }
    return "";
}

std::vector<Generated> generate(Decoder& decoder, std::span<const TokenIds> prompts,
                                const GenerationSettings& settings, const OnToken& each) {
    std::vector<Text> texts;
    std::map<TokenIds, int> seen;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
        texts.push_back({i,
                         static_cast<std::int64_t>(prompts[i].size()),
                         random_of_text(settings.seed, prompts[i], seen[prompts[i]]++),
                         {}});
    }
    const auto room = static_cast<std::size_t>(decoder.shape().sequences);
    for (std::size_t at = 0; at < prompts.size(); at += room) {
        const std::size_t n = std::min(room, prompts.size() - at);
        run(decoder, prompts.subspan(at, n), std::span(texts).subspan(at, n), settings, each);
    }
    std::vector<Generated> out;
    for (Text& text : texts) {
        out.push_back(std::move(text.out));
    }
    return out;
}

DecoderShape room_for(const Gpt2Config& config, std::span<const TokenIds> prompts,
                      std::int64_t max_new, std::int64_t side_by_side) {
    std::int64_t longest = 0;
    for (const TokenIds& prompt : prompts) {
        longest = std::max(longest, static_cast<std::int64_t>(prompt.size()));
    }
    return {std::min(side_by_side, static_cast<std::int64_t>(prompts.size())), longest,
            longest + std::min(max_new, config.T - longest)};
}

}  // namespace lrd
