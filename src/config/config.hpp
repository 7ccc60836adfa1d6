// SPDX-License-Identifier: MIT
// Every setting of a run with its default; nothing else here, so that everybody may include it.
// Names on the command line and in TOML, help texts and ranges: run_options.cpp, the one table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lrd {

struct RunSettings {
    std::string out;              // run directory; "" = runs/<name of the configuration file>
    std::string resume = "auto";  // auto | must | never
    std::int64_t seed = 1;
    std::string device = "auto";     // auto | cpu
    std::string precision = "auto";  // auto: bf16 where the device multiplies it | fp32 | bf16
    std::int64_t threads = 0;        // per rank; 0 = cores / ranks of this node, 1 if reproducible
    std::string pin = "auto";        // auto | none: keep the threads of a rank on its cores
    std::string max_time;            // "" = none; "90", "1:30:00", "2h", …
    bool reproducible = false;       // same bits on 1, 2, 4, … ranks
    std::string profile;             // "" = none; the file of a trace
    std::string profile_steps = "3-7";  // counted from the start of the command
};

struct DataSettings {
    std::string tokens;
    std::string split = "train";
    std::int64_t context = 1024;
    std::int64_t limit_tokens = 0;  // 0 = all
    std::vector<std::string> eval;  // "DIR:split"; empty = val of `tokens`, if there is one
    bool document_mask = false;     // attention, labels and clone targets stay inside documents
};

struct TeacherSettings {
    std::string model;                     // "" = none
    std::string cache = "none";            // none | memory | a folder
    std::string cache_clone = "all";       // clone targets in it: all | none | "0,3,5" (layers)
    std::int64_t cache_topk = 0;           // K largest logits instead of the exact head; 0 = exact
    std::string cache_precision = "bf16";  // bf16 | fp32
};

struct ModelSettings {  // only to train from scratch
    std::int64_t layers = 12;
    std::int64_t width = 768;
    std::int64_t heads = 12;
    double dropout = 0.0;
};

struct TrainSettings {
    std::int64_t steps = 50000;
    std::int64_t global_batch = 128;  // sequences
    std::int64_t micro_batch = 8;     // sequences per rank and forward pass
    std::int64_t log_every = 10;
    std::int64_t eval_every = 500;  // 0 = only at the end
    std::int64_t checkpoint_every = 500;
    std::int64_t keep = 3;
    bool keep_best = true;
    bool shuffle = true;
    bool recompute = false;     // of activations, in the backward pass
    std::int64_t patience = 0;  // evaluations without a better one before the run ends; 0 = none
};

struct OptimSettings {
    std::string kind = "adamw";  // adamw | sgd
    double lr = 3e-4;
    double lr_min = 0.0;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
    double weight_decay = 0.01;       // on matrices only
    double clip = 1.0;                // 0 = none
    std::string schedule = "cosine";  // cosine | constant | linear | inverse-sqrt
    double warmup = 0.05;             // share of the steps
};

struct LossSettings {
    double kd = 1.0;
    double lm = 1.0;
    double clone = 1.0;
    double tau = 2.0;
    std::string clone_reduction = "mean";  // mean | sum | relative
    bool clone_skip_first = false;
};

struct StudentSettings {
    std::string name;
    std::string form = "lifted";      // lifted | factored | dense
    std::vector<std::int64_t> rank;   // one for all linears, one per layer, or one per linear
    std::int64_t embedding_rank = 0;  // 0 = dense embedding
    std::string init = "svd";         // svd | random
    std::int64_t seed = 1;
    std::string start;  // "RUN:student[@step]": go on from its weights
    LossSettings loss;
    OptimSettings optim;
};

struct Config {
    RunSettings run;
    DataSettings data;
    TeacherSettings teacher;
    ModelSettings model;
    TrainSettings train;
    OptimSettings optim;
    LossSettings loss;
    std::vector<StudentSettings> students;
};

}  // namespace lrd
