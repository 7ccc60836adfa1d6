// SPDX-License-Identifier: MIT
#include "commands/eval.hpp"

#include <fmt/core.h>

#include <cmath>
#include <optional>

#include "commands/threads.hpp"
#include "core/check.hpp"
#include "data/token_files.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "train/evaluate.hpp"
#include "train/model_reference.hpp"

namespace lrd {
namespace {

void check_fits(const Gpt2Config& model, const std::string& name, const TokenFiles& tokens,
                std::int64_t context) {
    if (model.V != tokens.vocabulary()) {
        fail(ExitCode::bad_data,
             "{} has a vocabulary of {}, the tokens in {} one of {}; prepare "
             "them with the model's tokenizer",
             name, model.V, tokens.directory(), tokens.vocabulary());
    }
    if (context > model.T) {
        fail(ExitCode::usage, "--context {} is longer than the {} positions of {}", context,
             model.T, name);
    }
}

/// One line per document: index, tokens scored, bytes, words, NLL in nats.
std::string per_document_table(const TokenFiles& tokens, const std::vector<double>& nll) {
    std::string text = "document\ttokens\tbytes\twords\tnll\n";
    const DocumentTable& documents = tokens.documents();
    for (std::size_t d = 0; d + 1 < documents.offsets.size(); ++d) {
        double sum = 0.0;
        std::int64_t scored = 0;
        // Target i is token i + 1: the stream's first token is nobody's target.
        for (std::int64_t token = documents.offsets[d]; token < documents.offsets[d + 1]; ++token) {
            if (token > 0) {
                sum += nll[static_cast<std::size_t>(token - 1)];
                ++scored;
            }
        }
        text += fmt::format("{}\t{}\t{}\t{}\t{:.6f}\n", d, scored, documents.bytes[d],
                            documents.words[d], sum);
    }
    return text;
}

Json result_json(const EvalOptions& options, const EvalSums& sums, const TokenFiles& tokens,
                 std::int64_t context, std::int64_t parameters) {
    const double bytes = static_cast<double>(tokens.bytes());
    const double words = static_cast<double>(tokens.words());
    Json json = Json::object({{"model", options.model},
                              {"parameters", parameters},
                              {"nll", sums.nll / sums.tokens},
                              {"tokens", static_cast<std::int64_t>(sums.tokens)},
                              {"words", tokens.words()},
                              {"bytes", tokens.bytes()},
                              {"token_perplexity", std::exp(sums.nll / sums.tokens)},
                              {"word_perplexity", std::exp(sums.nll / words)},
                              {"byte_perplexity", std::exp(sums.nll / bytes)},
                              {"bits_per_byte", sums.nll / bytes / std::log(2.0)},
                              {"top1_accuracy", sums.top1 / sums.tokens},
                              {"split", options.split},
                              {"stride", options.stride},
                              {"context", context}});
    if (!options.teacher.empty()) {
        json["teacher"] = options.teacher;
        json["teacher_top1_agreement"] = sums.teacher_top1 / sums.tokens;
        json["teacher_kl"] = sums.teacher_kl / sums.tokens;
    }
    return json;
}

void print_table(const Json& json) {
    for (const auto& [key, value] : json.as_object()) {
        const std::string text = value.is_string() ? value.as_string()
                                 : value.is_int()  ? std::to_string(value.as_int())
                                                   : fmt::format("{:.6g}", value.as_double());
        fmt::print("{:<24} {}\n", key, text);
    }
}

}  // namespace

int eval(const EvalOptions& options, Communicator& world) {
    set_threads(options.threads, world);
    const std::unique_ptr<Backend> backend = make_backend(options.device);
    const LoadedModel model = load_model(*backend, options.model);
    const Gpt2Config& config = model.weights->config();
    const std::int64_t context = options.context > 0 ? options.context : config.T;
    const TokenFiles tokens(options.tokens, options.split);
    check_fits(config, options.model, tokens, context);

    const BatchShape capacity{options.micro_batch, context};
    Gpt2 net(*model.weights, options.model, capacity, false);
    std::optional<LoadedModel> teacher;
    std::optional<Gpt2> teacher_net;
    if (!options.teacher.empty()) {
        teacher = load_model(*backend, options.teacher);
        check_fits(teacher->weights->config(), options.teacher, tokens, context);
        teacher_net.emplace(*teacher->weights, options.teacher, capacity, false);
    }
    EvalWindows windows(tokens, context, options.stride, options.micro_batch);
    std::vector<double> nll_of_target;
    if (!options.per_document.empty()) {
        nll_of_target.assign(static_cast<std::size_t>(windows.targets()), 0.0);
    }
    const EvalSums sums = evaluate(world, net, teacher_net ? &*teacher_net : nullptr, windows,
                                   capacity, nll_of_target.empty() ? nullptr : &nll_of_target);
    if (world.rank() != 0) {
        return static_cast<int>(ExitCode::done);
    }
    if (!options.per_document.empty()) {
        publish_text(options.per_document, per_document_table(tokens, nll_of_target));
    }
    const Json json = result_json(options, sums, tokens, context, model.weights->trained().count());
    if (options.json) {
        fmt::print("{}\n", json.dump(2));
    } else {
        print_table(json);
    }
    return static_cast<int>(ExitCode::done);
}

}  // namespace lrd
