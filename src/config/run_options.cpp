// SPDX-License-Identifier: MIT
#include "config/run_options.hpp"

namespace lrd {
namespace {

const Limits positive{.min = 1};
const Limits not_negative{.min = 0};

std::vector<Option> optim_options(OptimSettings& o) {
    return {
        option("optim", "kind", o.kind, "optimiser", {.allowed = {"adamw", "sgd"}}),
        option("optim", "lr", o.lr, "peak learning rate", {.min = 0, .above_min = true}),
        option("optim", "lr_min", o.lr_min, "learning rate at the end", not_negative),
        option("optim", "beta1", o.beta1, "AdamW: decay of the first moment",
               {.min = 0, .max = 0.999999}),
        option("optim", "beta2", o.beta2, "AdamW: decay of the second moment",
               {.min = 0, .max = 0.999999}),
        option("optim", "eps", o.eps, "AdamW: added to the root of the second moment",
               {.min = 0, .above_min = true}),
        option("optim", "weight_decay", o.weight_decay, "decoupled, on matrices only",
               not_negative),
        option("optim", "clip", o.clip, "largest L2 norm of the gradient; 0 = no clipping",
               not_negative),
        option("optim", "schedule", o.schedule, "learning rate over the run",
               {.allowed = {"cosine", "constant", "linear", "inverse-sqrt"}}),
        option("optim", "warmup", o.warmup, "share of the steps with a rising rate",
               {.min = 0, .max = 1}),
    };
}

std::vector<Option> loss_options(LossSettings& l) {
    return {
        option("loss", "kd", l.kd, "weight of τ²·KL to the teacher's distribution", not_negative),
        option("loss", "lm", l.lm, "weight of the cross-entropy of the next token", not_negative),
        option("loss", "clone", l.clone, "weight λ of the distance to the teacher's activations",
               not_negative),
        option("loss", "tau", l.tau, "temperature τ of the KL", {.min = 0, .above_min = true}),
        option("loss", "clone_reduction", l.clone_reduction,
               "over elements, as printed, or by the teacher's variance",
               {.allowed = {"mean", "sum", "relative"}}),
        option("loss", "clone_skip_first", l.clone_skip_first,
               "leave position 0 out of the clone term"),
    };
}

void append(std::vector<Option>& to, std::vector<Option> more) {
    for (Option& one : more) {
        to.push_back(std::move(one));
    }
}

}  // namespace

std::vector<Option> run_options(Config& c) {
    const auto open = [](Option o) { return free_on_resume(std::move(o)); };
    std::vector<Option> all = {
        open(option("run", "out", c.run.out, "run directory; \"\" = runs/<name of the file>")),
        open(option("run", "resume", c.run.resume, "go on where the run directory stands",
                    {.allowed = {"auto", "must", "never"}})),
        option("run", "seed", c.run.seed, "of the order of windows", not_negative),
        open(option("run", "device", c.run.device, "where to compute",
                    {.allowed = {"auto", "cpu"}})),
        option("run", "precision", c.run.precision, "of products and activations",
               {.allowed = {"auto", "fp32", "bf16"}}),
        open(option("run", "threads", c.run.threads,
                    "per rank; 0 = cores of the node / its ranks, 1 if reproducible",
                    {.min = 0, .max = 1024})),
        open(option(
            "run", "pin", c.run.pin,
            "auto: the threads of a rank that a launcher has bound stay on cores of their own",
            {.allowed = {"auto", "none"}})),
        open(option("run", "max_time", c.run.max_time,
                    "stop with a checkpoint before: 90, 15m, 2h, 1:30:00")),
        option("run", "reproducible", c.run.reproducible,
               "same bits on 1, 2, 4, … ranks: sums gradients by a fixed tree"),
        open(option("run", "profile", c.run.profile,
                    "write a trace for Perfetto or chrome://tracing to this file, and print what "
                    "each op takes")),
        open(option("run", "profile_steps", c.run.profile_steps,
                    "steps in it, counted from the start of the command: 3-7, or 5")),

        option("data", "tokens", c.data.tokens, "folder that `lrd prepare` made"),
        option("data", "split", c.data.split, "split to train on"),
        option("data", "context", c.data.context, "T, tokens of a window", positive),
        option("data", "limit_tokens", c.data.limit_tokens,
               "use only its first documents, of at most so many tokens; 0 = all", not_negative),
        option("data", "eval", c.data.eval,
               "splits to evaluate on, DIR:split; [] = val of data.tokens, if there"),
        option("data", "document_mask", c.data.document_mask,
               "keep attention, labels and clone targets inside documents"),

        option("teacher", "model", c.teacher.model,
               "MODEL to distil from; \"\" = train from scratch"),
        option("teacher", "cache", c.teacher.cache,
               "keep its outputs for later epochs: none, memory or a folder"),
        option("teacher", "cache_clone", c.teacher.cache_clone,
               "layers whose clone targets are compared and cached: all, none or [0, 3, 5]",
               {.list_as_text = true}),
        option("teacher", "cache_topk", c.teacher.cache_topk,
               "cache only the K largest logits; 0 = the exact head", not_negative),
        option("teacher", "cache_precision", c.teacher.cache_precision, "of cached values",
               {.allowed = {"bf16", "fp32"}}),

        option("model", "layers", c.model.layers, "from scratch: transformer layers", positive),
        option("model", "width", c.model.width, "from scratch: residual width", positive),
        option("model", "heads", c.model.heads, "from scratch: attention heads", positive),
        option("model", "dropout", c.model.dropout,
               "in training: of embeddings, attention and both outputs of a block",
               {.min = 0, .max = 0.99}),

        option("train", "steps", c.train.steps, "optimiser updates", not_negative),
        option("train", "global_batch", c.train.global_batch,
               "sequences of an update, over all ranks", positive),
        open(option("train", "micro_batch", c.train.micro_batch,
                    "sequences of one pass of one rank", positive)),
        open(option("train", "log_every", c.train.log_every, "steps between rows of metrics",
                    positive)),
        open(option("train", "eval_every", c.train.eval_every,
                    "steps between evaluations; 0 = only at the end", not_negative)),
        open(option("train", "checkpoint_every", c.train.checkpoint_every,
                    "steps between checkpoints", positive)),
        open(option("train", "keep", c.train.keep, "checkpoints that stay, besides step 0",
                    positive)),
        open(option("train", "keep_best", c.train.keep_best,
                    "keep each student's best by validation loss")),
        option("train", "shuffle", c.train.shuffle, "another order of windows in every epoch"),
        open(option("train", "recompute", c.train.recompute,
                    "make activations again in the backward pass: less memory, more work")),
        open(option("train", "patience", c.train.patience,
                    "end after so many evaluations without a better one; 0 = never", not_negative)),
    };
    append(all, optim_options(c.optim));
    append(all, loss_options(c.loss));
    return all;
}

std::vector<Option> student_options(StudentSettings& s) {
    std::vector<Option> all = {
        option("", "name", s.name, "of the student in files and tables"),
        option("", "form", s.form, "how its linears are parameterised",
               {.allowed = {"lifted", "factored", "dense"}}),
        option("", "rank", s.rank, "r: one for all linears, one per layer, or one per linear",
               positive),
        option("", "embedding_rank", s.embedding_rank,
               "re of the token embedding and head; 0 = dense", not_negative),
        option("", "init", s.init, "first values", {.allowed = {"svd", "random"}}),
        option("", "seed", s.seed, "of random first values and of dropout", not_negative),
        option("", "start", s.start, "MODEL whose weights it starts from"),
    };
    append(all, loss_options(s.loss));
    append(all, optim_options(s.optim));
    return all;
}

std::vector<Option> student_flags(StudentSettings& s) {
    std::vector<Option> all = student_options(s);
    for (Option& one : all) {
        one.section = one.section.empty() ? "student" : "student." + one.section;
    }
    return all;
}

std::string to_toml(const Config& config) {
    Config copy = config;
    std::string text;
    std::string section;
    for (const Option& one : run_options(copy)) {
        if (one.section != section) {
            section = one.section;
            text += (text.empty() ? "[" : "\n[") + section + "]\n";
        }
        text += one.key + " = " + toml_text(one.get()) + "\n";
    }
    for (StudentSettings& student : copy.students) {
        text += "\n[[student]]\n";
        for (const Option& one : student_options(student)) {
            if (one.key == "rank" && student.rank.empty()) {
                continue;
            }
            text += one.name() + " = " + toml_text(one.get()) + "\n";
        }
    }
    return text;
}

namespace {
/// Free to change but for run.reproducible: they decide in which order numbers are added.
bool decides_bits(const std::string& name) {
    return name == "train.micro_batch" || name == "run.threads" || name == "run.device";
}
}  // namespace

std::vector<std::string> differences(const Config& before, const Config& now) {
    Config a = before;
    Config b = now;
    std::vector<std::string> found;
    const auto compare = [&](const std::vector<Option>& x, const std::vector<Option>& y,
                             const std::string& of) {
        for (std::size_t i = 0; i < x.size(); ++i) {
            const bool free =
                x[i].free_on_resume && !(before.run.reproducible && decides_bits(x[i].name()));
            if (!free && x[i].get() != y[i].get()) {
                found.push_back(of + x[i].name() + ": " + toml_text(x[i].get()) + " → " +
                                toml_text(y[i].get()));
            }
        }
    };
    compare(run_options(a), run_options(b), "");
    if (a.students.size() != b.students.size()) {
        found.push_back("students: " + std::to_string(a.students.size()) + " → " +
                        std::to_string(b.students.size()));
        return found;
    }
    for (std::size_t k = 0; k < a.students.size(); ++k) {
        compare(student_options(a.students[k]), student_options(b.students[k]),
                "student." + a.students[k].name + ".");
    }
    return found;
}

}  // namespace lrd
