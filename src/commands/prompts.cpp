// SPDX-License-Identifier: MIT
#include "commands/prompts.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <charconv>
#include <iostream>
#include <iterator>
#include <string_view>

#include "core/check.hpp"
#include "core/log.hpp"
#include "data/utf8.hpp"

namespace lrd {
namespace {

std::optional<Tokenizer> find_tokenizer(const GenerateOptions& options,
                                        const ModelLocation& model) {
    const std::string folder =
        options.tokenizer.empty() ? tokenizer_folder(model) : options.tokenizer;
    if (folder.empty()) {
        if (options.prompt_ids.empty() || !options.json) {
            fail(ExitCode::usage,
                 "{} comes without a tokenizer; name its folder with --tokenizer, or give "
                 "--prompt-ids and --json",
                 model.name);
        }
        return std::nullopt;
    }
    Tokenizer tokenizer = Tokenizer::load(folder);
    if (tokenizer.vocab_size() != model.architecture.config.V) {
        fail(ExitCode::bad_data,
             "the tokenizer in {} has {} tokens, {} a vocabulary of {}; name the model's own with "
             "--tokenizer",
             folder, tokenizer.vocab_size(), model.name, model.architecture.config.V);
    }
    return tokenizer;
}

/// "1,2,3"
TokenIds parse_ids(const std::string& text, const ModelLocation& model) {
    const std::int64_t V = model.architecture.config.V;
    TokenIds ids;
    std::string_view rest = text;
    while (!rest.empty()) {
        std::int64_t id = 0;
        const char* end = rest.data() + rest.size();
        const auto [stopped, error] = std::from_chars(rest.data(), end, id);
        const bool comma = stopped != end && *stopped == ',' && stopped + 1 != end;
        if (error == std::errc::invalid_argument || (stopped != end && !comma)) {
            fail(ExitCode::usage, "--prompt-ids: \"{}\" is not a list of ids like 1,2,3", text);
        }
        if (error != std::errc{} || id < 0 || id >= V) {
            fail(ExitCode::usage, "--prompt-ids: {} is not in [0, {}), the vocabulary of {}",
                 std::string_view(rest.data(), stopped), V, model.name);
        }
        ids.push_back(static_cast<std::int32_t>(id));
        rest = std::string_view(stopped + (comma ? 1 : 0), end);
    }
    return ids;
}

/// All of stdin but the line end at its very end, or its lines.
std::vector<std::string> read_stdin(bool lines) {
    if (isatty(STDIN_FILENO) != 0) {
        log::info("the prompt is read from the terminal; Ctrl-D ends it");
    }
    std::vector<std::string> prompts;
    if (lines) {
        for (std::string line; std::getline(std::cin, line);) {
            prompts.push_back(line);
        }
    } else {
        prompts.emplace_back(std::istreambuf_iterator<char>(std::cin),
                             std::istreambuf_iterator<char>());
        if (prompts.back().ends_with('\n')) {
            prompts.back().pop_back();
        }
    }
    return prompts;
}

TokenIds encode(const std::string& prompt, std::size_t number, Encoder& encoder) {
    std::string clean = prompt;
    if (replace_invalid_utf8(clean) > 0) {
        fail(ExitCode::usage, "prompt {} is not valid UTF-8; convert it, with iconv for example",
             number);
    }
    TokenIds ids;
    encoder.encode(prompt, ids);
    return ids;
}

}  // namespace

Prompts read_prompts(const GenerateOptions& options, const ModelLocation& model) {
    if (!options.prompt.empty() && !options.prompt_ids.empty()) {
        fail(ExitCode::usage, "--prompt and --prompt-ids exclude each other");
    }
    Prompts out{find_tokenizer(options, model), {}};
    for (const std::string& text : options.prompt_ids) {
        out.ids.push_back(parse_ids(text, model));
    }
    if (options.prompt_ids.empty()) {
        Encoder encoder(*out.tokenizer);
        for (const std::string& text :
             options.prompt.empty() ? read_stdin(options.lines) : options.prompt) {
            out.ids.push_back(encode(text, out.ids.size() + 1, encoder));
        }
    }
    const std::int64_t T = model.architecture.config.T;
    for (std::size_t i = 0; i < out.ids.size(); ++i) {
        const std::size_t n = out.ids[i].size();
        if (n == 0) {
            fail(ExitCode::usage,
                 "prompt {} is empty; give some text, or the end-of-text token as --prompt-ids to "
                 "begin a new one",
                 i + 1);
        }
        if (n > static_cast<std::size_t>(T)) {
            fail(ExitCode::usage, "prompt {} has {} tokens, the context of {} {}; shorten it",
                 i + 1, n, model.name, T);
        }
    }
    if (out.ids.empty()) {
        fail(ExitCode::usage, "stdin holds no prompt; give --prompt, --prompt-ids or some lines");
    }
    return out;
}

}  // namespace lrd
