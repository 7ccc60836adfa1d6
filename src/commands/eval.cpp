// SPDX-License-Identifier: MIT
#include "commands/eval.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "commands/document_scores.hpp"
#include "commands/threads.hpp"
#include "commands/version.hpp"
#include "core/check.hpp"
#include "data/token_files.hpp"
#include "io/json.hpp"
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

/// The splits that the options ask for, checked before anything is computed.
std::vector<TokenFiles> open_splits(const EvalOptions& o) {
    std::vector<std::string> splits = o.split;
    if (std::find(splits.begin(), splits.end(), "all") != splits.end()) {
        splits = std::filesystem::is_directory(o.tokens) ? TokenFiles::splits_in(o.tokens)
                                                         : std::vector<std::string>{};
    }
    if (splits.empty()) {
        splits = {std::filesystem::is_regular_file(o.tokens) ? "" : "test"};
    }
    std::vector<TokenFiles> all;
    for (auto split = splits.begin(); split != splits.end(); ++split) {
        if (std::find(splits.begin(), split, *split) != split) {
            fail(ExitCode::usage, "--split {} is given twice", *split);
        }
        all.emplace_back(o.tokens, *split);
    }
    return all;
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
                              {"top5_accuracy", sums.top5 / sums.tokens},
                              {"split", tokens.header().split},
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

/// One object for one split, a list for several or "all".
void print_results(const EvalOptions& o, const Json& results) {
    const bool one = o.split.size() <= 1 && (o.split.empty() || o.split.front() != "all");
    if (o.json) {
        fmt::print("{}\n", (one ? results.at(0) : results).dump(2));
        return;
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
        fmt::print("{}", i > 0 ? "\n" : "");
        print_table(results.at(i));
    }
}

/// A model that is scored or compared with, and what it runs in.
struct Scored {
    Scored(Backend& backend, const std::string& reference)
        : name(reference), loaded(load_model(backend, reference)) {}
    const Gpt2Config& config() const { return loaded.weights->config(); }
    void prepare(BatchShape capacity) { net.emplace(*loaded.weights, name, capacity, false); }

    std::string name;
    LoadedModel loaded;
    std::optional<Gpt2> net;
};

}  // namespace

const char* eval_conventions() {
    return "\n"
           "A split is one stream of all its documents, end-of-text tokens included, in windows "
           "of\n"
           "T = --context tokens side by side. Every token but the first is a target once, the\n"
           "short last window too. With --stride S a window begins S tokens after the one before\n"
           "and scores what is new: more context for most targets, T/S times the work.\n"
           "nll is the mean over targets in nats; word_perplexity divides its sum by words "
           "between\n"
           "blanks and one per line end, byte_perplexity and bits_per_byte by bytes of UTF-8.\n"
           "Texts are scored as `lrd prepare` took them; nothing is detokenised or normalised.\n"
           "--json: one object, or with several splits or --split all a list of them.\n";
}

int eval(const EvalOptions& options, Communicator& world) {
    set_threads(options.threads, world);
    if (!options.per_document.empty()) {
        check_document_scores(options.per_document);
    }
    const std::vector<TokenFiles> splits = open_splits(options);
    const std::unique_ptr<Backend> backend = make_backend(options.device);
    Scored model(*backend, options.model);
    std::optional<Scored> teacher;
    if (!options.teacher.empty()) {
        teacher.emplace(*backend, options.teacher);
    }
    const std::int64_t context = options.context > 0 ? options.context : model.config().T;
    for (const TokenFiles& tokens : splits) {
        check_fits(model.config(), model.name, tokens, context);
        check_same_tokenizer(locate_model(options.model), tokens);
        if (teacher) {
            check_fits(teacher->config(), teacher->name, tokens, context);
            check_same_tokenizer(locate_model(options.teacher), tokens);
        }
        EvalWindows(tokens, context, options.stride, 1);  // its checks, before hours of others
    }
    const BatchShape capacity{options.micro_batch, context};
    model.prepare(capacity);
    if (teacher) {
        teacher->prepare(capacity);
    }
    Evaluator evaluator(world, *model.net, teacher ? &*teacher->net : nullptr, capacity);

    Json results = Json::array();
    std::vector<DocumentScores> scores;
    for (const TokenFiles& tokens : splits) {
        EvalWindows windows(tokens, context, options.stride, options.micro_batch);
        const DocumentTable* documents =
            options.per_document.empty() ? nullptr : &tokens.documents();
        Evaluator::Result result = evaluator.run(windows, documents);
        results.push(result_json(options, result.sums, tokens, context,
                                 model.loaded.weights->trained().count()));
        if (documents != nullptr) {
            scores.push_back({tokens.header().split, tokens.digest(), *documents,
                              std::move(result.document_nll)});
        }
    }
    if (world.rank() != 0) {
        return static_cast<int>(ExitCode::done);
    }
    if (!options.per_document.empty()) {
        publish_document_scores(options.per_document, scores,
                                Json::object({{"title", "NLL of documents, by lrd eval"},
                                              {"model", options.model},
                                              {"context", context},
                                              {"stride", options.stride},
                                              {"code_version", code_version()}}));
    }
    print_results(options, results);
    return static_cast<int>(ExitCode::done);
}

}  // namespace lrd
