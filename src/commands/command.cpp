// SPDX-License-Identifier: MIT
#include "commands/command.hpp"

#include <fmt/core.h>

#include <filesystem>
#include <map>
#include <memory>

#include "commands/bench.hpp"
#include "commands/cache.hpp"
#include "commands/eval.hpp"
#include "commands/export.hpp"
#include "commands/generate.hpp"
#include "commands/import.hpp"
#include "commands/inspect.hpp"
#include "commands/plan.hpp"
#include "commands/prepare.hpp"
#include "commands/train.hpp"
#include "config/run_options.hpp"
#include "core/check.hpp"

namespace lrd {
namespace {

/// What a MODEL may be.
constexpr const char* model_help =
    "RUN, RUN:student, RUN:student@step|@best|@last, a .h5 model or a directory of Hugging Face";

const Limits positive{.min = 1};
const Limits not_negative{.min = 0};

/// prepare's --split takes NAME=X; it is kept as text until the command runs.
struct PrepareArguments {
    PrepareOptions options;
    std::vector<std::string> splits;
};

std::vector<Option> options_of(PrepareArguments& a) {
    PrepareOptions& o = a.options;
    return {
        option("", "text", o.text, "text files, also as plain arguments"),
        option("", "tokenizer", o.tokenizer,
               "train:V learns V tokens from the train split; DIR holds vocab.json and merges.txt"),
        option("", "out", o.out, "folder to make; if nothing has changed since, nothing is done"),
        option("", "documents", o.documents, "where documents end; text may be gzip or zstd",
               {.allowed = {"auto", "file", "blank-line", "wikitext", "jsonl"}}),
        option("", "json_key", o.json_key, "jsonl: the key whose value is the text"),
        option("", "val", o.val, "validation split: a fraction of the bytes, or a file"),
        option("", "test", o.test, "test split: a fraction of the bytes, or a file"),
        option("", "split", a.splits, "further splits, NAME=FRACTION or NAME=FILE"),
        option("", "dedup", o.dedup, "keep one of several documents with equal text"),
        option("", "overwrite", o.overwrite, "replace a folder that is there"),
        option("", "threads", o.threads, "per rank; 0 = cores of the node / its ranks",
               {.min = 0, .max = 1024}),
    };
}

std::vector<Option> options_of(EvalOptions& o) {
    return {
        option("", "model", o.model, model_help),
        option("", "tokens", o.tokens, "folder that `lrd prepare` made, or one file of it"),
        option("", "split", o.split,
               "split to score, as often as there are several, or all; [] = test, or the file's"),
        option("", "stride", o.stride, "tokens from window to window; 0 = side by side",
               not_negative),
        option("", "context", o.context, "tokens of a window; 0 = the model's", not_negative),
        option("", "teacher", o.teacher, "MODEL to compare with"),
        option("", "per_document", o.per_document, "write NLL per document to this HDF5 file"),
        option("", "precision", o.precision, "of products and activations", {.allowed = {"fp32"}}),
        option("", "micro_batch", o.micro_batch, "windows of one pass", positive),
        option("", "device", o.device, "where to compute", {.allowed = {"auto", "cpu"}}),
        option("", "threads", o.threads, "per rank; 0 = cores of the node / its ranks",
               {.min = 0, .max = 1024}),
        option("", "json", o.json, "one JSON value on stdout"),
    };
}

std::vector<Option> options_of(GenerateOptions& o) {
    return {
        option("", "model", o.model, model_help),
        option("", "prompt", o.prompt, "text to continue; several: one text each; none: stdin"),
        option("", "prompt_ids", o.prompt_ids, "ids to continue: 1,2,3; several: one text each"),
        option("", "lines", o.lines, "every line of stdin is a prompt, not all of it one"),
        option("", "tokenizer", o.tokenizer, "its folder; none: the model's own"),
        option("", "max_new", o.max_new, "new tokens of a text at most", not_negative),
        option("", "temperature", o.sampling.temperature, "0 is greedy", not_negative),
        option("", "top_k", o.sampling.top_k, "only the k most probable tokens; 0 = all",
               not_negative),
        option("", "top_p", o.sampling.top_p,
               "only the most probable tokens of this share; 1 = all",
               {.min = 0, .max = 1, .above_min = true}),
        option("", "seed", o.seed, "of the random numbers", not_negative),
        option("", "stop_id", o.stop_id, "token that ends a text; -1 = the tokenizer's end-of-text",
               {.min = -1, .max = 2147483647}),
        option("", "batch", o.batch, "prompts side by side", positive),
        option("", "device", o.device, "where to compute", {.allowed = {"auto", "cpu"}}),
        option("", "threads", o.threads, "0 = cores of the node / its ranks",
               {.min = 0, .max = 1024}),
        option("", "precision", o.precision, "of products and activations", {.allowed = {"fp32"}}),
        option("", "json", o.json, "one JSON value on stdout"),
    };
}

std::vector<Option> options_of(ImportOptions& o) {
    return {
        option("", "from", o.from, "directory of Hugging Face: config.json, *.safetensors"),
        option("", "out", o.out, "model file to make (.h5)"),
        option("", "overwrite", o.overwrite, "replace a file that is there"),
    };
}

std::vector<Option> options_of(ExportOptions& o) {
    return {
        option("", "model", o.model, model_help),
        option("", "out", o.out, "folder to make; a file for h5"),
        option("", "as", o.as,
               "hf-dense: a GPT2LMHeadModel of transformers; hf: its factors, with a small module "
               "that loads them; h5: one model file that needs no teacher",
               {.allowed = {"hf", "hf-dense", "h5"}}),
        option("", "overwrite", o.overwrite, "replace an export that is there"),
    };
}

std::vector<Option> options_of(InspectOptions& o) {
    return {option("", "json", o.json, "one JSON value on stdout")};
}

std::vector<Option> options_of(BenchOptions& o) {
    return {
        option("", "config", o.config, "size of the teacher", {.allowed = bench_configs()}),
        option("", "rank", o.rank, "r (and re) of the student; several: 58,128", positive),
        option("", "micro_batch", o.micro_batch, "sequences of a step and rank", positive),
        option("", "context", o.context, "T, tokens of a sequence", positive),
        option("", "teacher", o.teacher, "where its outputs come from", {.allowed = {"online", "cached", "topk"}}),
        option("", "form", o.form, "of the students", {.allowed = {"lifted", "factored", "dense"}}),
        option("", "precision", o.precision, "of products and activations", {.allowed = {"fp32"}}),
        option("", "steps", o.steps, "timed steps", positive),
        option("", "device", o.device, "where to compute", {.allowed = {"auto", "cpu"}}),
        option("", "threads", o.threads, "per rank; 0 = cores of the node / its ranks",
               {.min = 0, .max = 1024}),
        option("", "json", o.json, "one JSON value on stdout"),
    };
}

/// Applies named arguments; lists of texts gather what is given several times.
void set_all(const Arguments& arguments, const std::vector<Option>& options) {
    std::map<std::string, std::vector<std::string>> lists;
    for (const auto& [name, text] : arguments.named) {
        const Option& one = find_option(options, name, "command line");
        if (std::holds_alternative<std::vector<std::string>>(one.get())) {
            lists[name].push_back(text);
            one.set(lists[name], "command line");
        } else {
            one.set_text(text, "command line");
        }
    }
}

void require(const std::string& value, const char* what) {
    if (value.empty()) {
        fail(ExitCode::usage, "{} is missing; see --help", what);
    }
}

/// Of a command that takes named options alone.
template <class Options>
std::shared_ptr<Options> read_options(const std::vector<std::string>& raw) {
    auto o = std::make_shared<Options>();
    const auto options = options_of(*o);
    const Arguments arguments = parse_arguments(raw, options, false);
    set_all(arguments, options);
    if (!arguments.positional.empty()) {
        fail(ExitCode::usage, "command line: what is \"{}\"? see --help",
             arguments.positional.front());
    }
    return o;
}

Runnable parse_prepare(const std::vector<std::string>& raw) {
    auto a = std::make_shared<PrepareArguments>();
    const auto options = options_of(*a);
    const Arguments arguments = parse_arguments(raw, options, false);
    set_all(arguments, options);
    a->options.text.insert(a->options.text.end(), arguments.positional.begin(),
                           arguments.positional.end());
    if (a->options.text.empty()) {
        fail(ExitCode::usage, "--text is missing: name the text files");
    }
    require(a->options.tokenizer, "--tokenizer");
    require(a->options.out, "--out");
    for (const std::string& split : a->splits) {
        const std::size_t equals = split.find('=');
        if (equals == std::string::npos || equals == 0) {
            fail(ExitCode::usage, "--split {} is not NAME=FRACTION or NAME=FILE", split);
        }
        a->options.splits.emplace_back(split.substr(0, equals), split.substr(equals + 1));
    }
    return [a](Communicator& world) { return prepare(a->options, world); };
}

/// The CONFIG.toml of `command` with what its flags override; flags that `own` names are set there.
std::shared_ptr<Config> run_config(const std::string& command, const std::vector<std::string>& raw,
                                   const std::vector<Option>& own) {
    Config defaults;
    StudentSettings student;
    std::vector<Option> options = own;
    for (const std::vector<Option>& more : {run_options(defaults), student_flags(student)}) {
        options.insert(options.end(), more.begin(), more.end());
    }
    Arguments arguments = parse_arguments(raw, options, true);
    if (arguments.positional.size() != 1) {
        fail(ExitCode::usage, "{} takes one CONFIG.toml, not {}", command,
             arguments.positional.size());
    }
    Overrides overrides;
    for (const auto& [name, text] : arguments.named) {
        if (const Option* mine = look_up(own, name)) {
            mine->set_text(text, "command line");
        } else {
            overrides.emplace_back(name, text);
        }
    }
    const std::string& file = arguments.positional.front();
    auto config = std::make_shared<Config>(load_config(file, overrides));
    if (config->run.out.empty()) {
        config->run.out = "runs/" + std::filesystem::path(file).stem().string();
    }
    return config;
}

Runnable parse_train(const std::vector<std::string>& raw) {
    const auto config = run_config("train", raw, {});
    return [config](Communicator& world) { return train(*config, world); };
}

Runnable parse_cache(const std::vector<std::string>& raw) {
    const auto config = run_config("cache", raw, {});
    return [config](Communicator& world) { return cache(*config, world); };
}

std::vector<Option> options_of(PlanOptions& o) {
    return {
        option("", "ranks", o.ranks, "of the run; 0 = as many as plan", not_negative),
        option("", "nodes", o.nodes, "that share the ranks", positive),
        option("", "rate", o.rate, "GFLOP/s of a rank, for the time; 0 = unknown", not_negative),
        option("", "measure", o.measure, "time a few steps here instead"),
        option("", "accelerator", o.accelerator, "does a rank fit it, and its time at best",
               {.allowed = accelerators()}),
        option("", "json", o.json, "one JSON value on stdout"),
    };
}

Runnable parse_plan(const std::vector<std::string>& raw) {
    auto o = std::make_shared<PlanOptions>();
    const auto config = run_config("plan", raw, options_of(*o));
    return [o, config](Communicator& world) { return plan(*o, *config, world); };
}

Runnable parse_eval(const std::vector<std::string>& raw) {
    const auto o = read_options<EvalOptions>(raw);
    require(o->model, "--model");
    require(o->tokens, "--tokens");
    return [o](Communicator& world) { return eval(*o, world); };
}

Runnable parse_generate(const std::vector<std::string>& raw) {
    const auto o = read_options<GenerateOptions>(raw);
    require(o->model, "--model");
    return [o](Communicator& world) { return generate(*o, world); };
}

Runnable parse_import(const std::vector<std::string>& raw) {
    const auto o = read_options<ImportOptions>(raw);
    require(o->from, "--from");
    require(o->out, "--out");
    return [o](Communicator& world) { return world.rank() == 0 ? import_model(*o) : 0; };
}

Runnable parse_export(const std::vector<std::string>& raw) {
    const auto o = read_options<ExportOptions>(raw);
    require(o->model, "--model");
    require(o->out, "--out");
    return [o](Communicator& world) { return world.rank() == 0 ? export_model(*o) : 0; };
}

Runnable parse_inspect(const std::vector<std::string>& raw) {
    auto o = std::make_shared<InspectOptions>();
    const auto options = options_of(*o);
    const Arguments arguments = parse_arguments(raw, options, false);
    set_all(arguments, options);
    if (arguments.positional.size() != 1) {
        fail(ExitCode::usage, "inspect takes one PATH, not {}", arguments.positional.size());
    }
    o->path = arguments.positional.front();
    return [o](Communicator& world) { return world.rank() == 0 ? inspect(*o) : 0; };
}

Runnable parse_bench(const std::vector<std::string>& raw) {
    const auto o = read_options<BenchOptions>(raw);
    return [o](Communicator& world) { return bench(*o, world); };
}

template <class Options>
std::string help_of() {
    Options defaults;
    return options_help(options_of(defaults));
}

std::string eval_help() { return help_of<EvalOptions>() + eval_conventions(); }

std::string train_help() {
    Config config;
    StudentSettings student;
    return options_help(run_options(config)) +
           "\n[[student]]  any number of them; its loss and optim are [loss] and [optim] unless it "
           "says "
           "otherwise.\nOn the command line --student.key=value sets all students, "
           "--student.NAME.key=value one.\n" +
           options_help(student_flags(student));
}

std::string plan_help() {
    return help_of<PlanOptions>() + "\nand every option of `lrd train`, as there.\n";
}

}  // namespace

const std::vector<Command>& commands() {
    static const std::vector<Command> all = {
        {"prepare", "--text FILES… --tokenizer train:V|DIR --out DIR [--val X] [--test X]",
         "text files → token files and their tokenizer; \"<unk>\" and \"<|endoftext|>\" in a text "
         "stay ordinary text",
         help_of<PrepareArguments>, parse_prepare},
        {"train", "CONFIG.toml [--section.key=value …]",
         "starts a run or goes on with it: a teacher from scratch, or students from a teacher",
         train_help, parse_train},
        {"cache", "CONFIG.toml [--section.key=value …]",
         "computes the teacher's outputs of a run ahead, for its teacher.cache", train_help,
         parse_cache},
        {"plan", "CONFIG.toml [--ranks R] [--rate GFLOP/s | --measure] [--accelerator a100]",
         "what a run would take: parameters, memory, work, disk, time", plan_help, parse_plan},
        {"eval", "--model MODEL --tokens DIR [--split test] [--teacher MODEL]",
         "scores a model on held-out tokens", eval_help, parse_eval},
        {"generate", "--model MODEL (--prompt TEXT | --prompt-ids 1,2,…) [--max-new N]",
         "continues texts", help_of<GenerateOptions>, parse_generate},
        {"import", "--from HF_DIR --out FILE", "a GPT-2 of Hugging Face → a model file",
         help_of<ImportOptions>, parse_import},
        {"export", "--model MODEL --out DIR [--as hf|hf-dense|h5]",
         "a model → a folder for transformers, or one model file", help_of<ExportOptions>,
         parse_export},
        {"inspect", "PATH", "what is in a file, a folder of tokens or a run",
         help_of<InspectOptions>, parse_inspect},
        {"bench", "[--config gpt2-small --rank 58 --micro-batch 2]",
         "times steps of distillation on this machine", help_of<BenchOptions>, parse_bench},
    };
    return all;
}

}  // namespace lrd
