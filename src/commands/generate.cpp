// SPDX-License-Identifier: MIT
#include "commands/generate.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "commands/prompts.hpp"
#include "commands/threads.hpp"
#include "core/log.hpp"
#include "data/utf8.hpp"
#include "io/json.hpp"
#include "model/generation.hpp"

namespace lrd {
namespace {

/// Bytes of a new token as a reader sees them: the token that ends a text is not part of it.
std::string bytes_of(const Tokenizer& tokenizer, std::int32_t id, std::int32_t end_of_text) {
    return id == end_of_text ? "" : tokenizer.bytes_of(id);
}

std::string text_of(const Tokenizer& tokenizer, const TokenIds& ids, std::int32_t end_of_text) {
    std::string text;
    for (const std::int32_t id : ids) {
        text += bytes_of(tokenizer, id, end_of_text);
    }
    replace_invalid_utf8(text);
    return text;
}

void write(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

/// Prompt and continuation on stdout, as they come.
std::vector<Generated> stream(Decoder& decoder, const Prompts& prompts,
                              const GenerationSettings& settings) {
    const Tokenizer& tokenizer = *prompts.tokenizer;
    write(text_of(tokenizer, prompts.ids.front(), -1));
    Utf8Stream text;
    auto made = generate(decoder, prompts.ids, settings, [&](std::size_t, std::int32_t id) {
        write(text.push(bytes_of(tokenizer, id, settings.end_of_text)));
    });
    write(text.finish() + "\n");
    return made;
}

void print_texts(const Prompts& prompts, const std::vector<Generated>& made,
                 const GenerationSettings& settings) {
    for (std::size_t i = 0; i < made.size(); ++i) {
        write(fmt::format("{}==> prompt {} <==\n{}{}\n", i == 0 ? "" : "\n", i + 1,
                          text_of(*prompts.tokenizer, prompts.ids[i], -1),
                          text_of(*prompts.tokenizer, made[i].ids, settings.end_of_text)));
    }
}

Json json_of(const Prompts& prompts, const std::vector<Generated>& made,
             const GenerationSettings& settings) {
    Json all = Json::array();
    for (std::size_t i = 0; i < made.size(); ++i) {
        Json one = Json::object({{"prompt_ids", prompts.ids[i]}, {"ids", made[i].ids}});
        one["text"] = prompts.tokenizer
                          ? Json(text_of(*prompts.tokenizer, made[i].ids, settings.end_of_text))
                          : Json();
        one["stop"] = name_of(made[i].stop);
        all.push(std::move(one));
    }
    return made.size() == 1 ? all.at(0) : all;
}

}  // namespace

int generate(const GenerateOptions& options, Communicator& world) {
    set_threads(options.threads, world);
    if (world.size() > 1) {
        log::info("generate: rank 0 works alone, the other ranks have nothing to do");
    }
    if (world.rank() != 0) {
        return static_cast<int>(ExitCode::done);
    }
    const ModelLocation location = locate_model(options.model);
    const Prompts prompts = read_prompts(options, location);
    const std::unique_ptr<Backend> backend = make_backend(options.device);
    const LoadedModel model = load_model(*backend, location);
    Decoder decoder(*model.weights, options.model,
                    room_for(model.weights->config(), prompts.ids, options.max_new, options.batch));

    GenerationSettings settings{options.sampling, options.max_new,
                                static_cast<std::int32_t>(options.stop_id), options.seed};
    if (options.stop_id < 0 && prompts.tokenizer) {
        settings.end_of_text = prompts.tokenizer->end_of_text();
    }
    if (!options.json && prompts.ids.size() == 1) {
        stream(decoder, prompts, settings);
        return static_cast<int>(ExitCode::done);
    }
    const std::vector<Generated> made = generate(decoder, prompts.ids, settings);
    if (options.json) {
        fmt::print("{}\n", json_of(prompts, made, settings).dump());
    } else {
        print_texts(prompts, made, settings);
    }
    return static_cast<int>(ExitCode::done);
}

}  // namespace lrd
