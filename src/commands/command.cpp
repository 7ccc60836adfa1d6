// SPDX-License-Identifier: MIT
#include "commands/command.hpp"

#include <fmt/core.h>

#include <filesystem>
#include <map>
#include <memory>

#include "commands/cache.hpp"
#include "commands/command_options.hpp"
#include "commands/train.hpp"
#include "config/run_options.hpp"
#include "core/check.hpp"

namespace lrd {
namespace {

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
        {"bench", "[--config gpt2-small --rank 58 --micro-batch 2] [--profile FILE | --sweep]",
         "times steps of distillation on this machine", help_of<BenchOptions>, parse_bench},
    };
    return all;
}

}  // namespace lrd
