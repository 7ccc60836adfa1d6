// SPDX-License-Identifier: MIT
#include "commands/command_options.hpp"

namespace lrd {
namespace {

/// What a MODEL may be.
constexpr const char* model_help =
    "RUN, RUN:student, RUN:student@step|@best|@last, a .h5 model or a directory of Hugging Face";

const Limits positive{.min = 1};
const Limits not_negative{.min = 0};

// ---- what several commands have
Option threads_option(std::int64_t& threads) {
    return option("", "threads", threads, "per rank; 0 = cores of the node / its ranks",
                  {.min = 0, .max = 1024});
}
Option device_option(std::string& device) {
    return option("", "device", device, "where to compute", {.allowed = {"auto", "cpu"}});
}
Option precision_option(std::string& precision,
                        const std::vector<std::string>& allowed = {"fp32"}) {
    return option("", "precision", precision, "of products and activations", {.allowed = allowed});
}
Option json_option(bool& json) { return option("", "json", json, "one JSON value on stdout"); }

}  // namespace

std::vector<Option> options_of(PrepareArguments& a) {
    PrepareOptions& o = a.options;
    return {
        option("", "text", o.text, "text files, also as plain arguments"),
        option(
            "", "tokenizer", o.tokenizer,
            "train:V learns V tokens from the train split; DIR holds vocab.json and merges.txt, or "
            "tokenizer.json"),
        option("", "out", o.out, "folder to make; if nothing has changed since, nothing is done"),
        option("", "documents", o.documents, "where documents end; text may be gzip or zstd",
               {.allowed = {"auto", "file", "blank-line", "wikitext", "jsonl"}}),
        option("", "json_key", o.json_key, "jsonl: the key whose value is the text"),
        option("", "val", o.val, "validation split: a fraction of the bytes, or a file"),
        option("", "test", o.test, "test split: a fraction of the bytes, or a file"),
        option("", "split", a.splits, "further splits, NAME=FRACTION or NAME=FILE"),
        option("", "dedup", o.dedup, "keep one of several documents with equal text"),
        option("", "overwrite", o.overwrite, "replace a folder that is there"),
        threads_option(o.threads),
    };
}

std::vector<Option> options_of(PlanOptions& o) {
    return {
        option("", "ranks", o.ranks, "of the run; 0 = as many as plan", {.min = 0, .max = 1 << 24}),
        option("", "nodes", o.nodes, "that share the ranks", {.min = 1, .max = 1 << 24}),
        option("", "rate", o.rate, "GFLOP/s of a rank, for the time; 0 = unknown", not_negative),
        option("", "measure", o.measure, "time a few steps here instead"),
        option("", "accelerator", o.accelerator, "does a rank fit it, and its time at best",
               {.allowed = accelerators()}),
        json_option(o.json),
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
        precision_option(o.precision),
        option("", "micro_batch", o.micro_batch, "windows of one pass", positive),
        device_option(o.device),
        threads_option(o.threads),
        json_option(o.json),
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
        device_option(o.device),
        option("", "threads", o.threads, "0 = cores of the node / its ranks",
               {.min = 0, .max = 1024}),
        precision_option(o.precision),
        json_option(o.json),
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

std::vector<Option> options_of(InspectOptions& o) { return {json_option(o.json)}; }

std::vector<Option> options_of(BenchOptions& o) {
    return {
        option("", "config", o.config, "size of the teacher", {.allowed = bench_configs()}),
        option("", "rank", o.rank, "r (and re) of the student; several: 58,128", positive),
        option("", "micro_batch", o.micro_batch, "sequences of a step and rank", positive),
        option("", "context", o.context, "T, tokens of a sequence", positive),
        option("", "teacher", o.teacher, "where its outputs come from",
               {.allowed = {"online", "cached", "topk"}}),
        option("", "form", o.form, "of the students", {.allowed = {"lifted", "factored", "dense"}}),
        precision_option(o.precision, {"auto", "fp32", "bf16"}),
        option("", "steps", o.steps, "timed steps", positive),
        option("", "recompute", o.recompute, "students make activations again in backward"),
        option("", "profile", o.profile,
               "write a trace of as many further steps, for Perfetto or chrome://tracing, to this "
               "file"),
        option("", "sweep", o.sweep,
               "tables of how a step grows: with T up to --context, with r from half to four times "
               "--rank, with 1, 2 and 4 students"),
        device_option(o.device),
        threads_option(o.threads),
        json_option(o.json),
    };
}

}  // namespace lrd
