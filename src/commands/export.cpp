// SPDX-License-Identifier: MIT
#include "commands/export.hpp"

#include <algorithm>
#include <filesystem>

#include "commands/model_tokenizer.hpp"
#include "commands/version.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "io/publish.hpp"
#include "io/work_folder.hpp"
#include "model/hf_config.hpp"
#include "model/hf_weights.hpp"
#include "model/merge.hpp"
#include "train/save_model.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

constexpr double tolerance = 1e-4;  // of logits, relative to the largest
constexpr const char* loader = "modeling_lrd";

/// All that an export consists of; a folder with anything else in it is never replaced.
constexpr const char* exported[] = {
    "config.json", "generation_config.json",  "model.safetensors", "vocab.json",
    "merges.txt",  "special_tokens_map.json", "modeling_lrd.py",   "tokenizer_config.json"};

void check_folder(const std::string& out, bool overwrite) {
    if (!fs::exists(out)) {
        return;
    }
    if (!fs::is_directory(out)) {
        fail(ExitCode::busy, "--out {}: there is a file of this name; choose another folder", out);
    }
    for (const auto& entry : fs::directory_iterator(out)) {
        const std::string name = entry.path().filename().string();
        if (std::find(std::begin(exported), std::end(exported), name) == std::end(exported)) {
            fail(
                ExitCode::busy,
                "--out {}: the folder holds {}, which is no part of an export; choose a new folder",
                out, name);
        }
    }
    if (!fs::is_empty(out) && !overwrite) {
        fail(ExitCode::busy,
             "--out {}: the folder holds a model already; choose another, or replace it with "
             "--overwrite",
             out);
    }
}

/// What is written, if that is not the model itself.
std::unique_ptr<Weights> converted(const Weights& weights, bool dense) {
    const auto& linears = weights.architecture().linears;
    const bool lifted = std::any_of(linears.begin(), linears.end(),
                                    [](const FormSpec& spec) { return spec.kind == "lifted"; });
    if (dense) {
        return is_dense(weights.architecture()) ? nullptr : merged(weights, "export");
    }
    return lifted ? with_plain_factors(weights, "export") : nullptr;
}

void write_json(const std::string& path, const Json& json) {
    write_text_and_fsync(path, json.dump(2) + "\n");
}

/// What `transformers` reads besides the two files of the tokenizer.
void write_tokenizer(const ModelTokenizer& tokenizer, std::int64_t context,
                     const std::string& folder) {
    if (tokenizer.folder.empty()) {
        return;
    }
    copy_tokenizer(tokenizer, folder);
    constexpr const char* special = "<|endoftext|>";
    Json tokens =
        Json::object({{"bos_token", special}, {"eos_token", special}, {"unk_token", special}});
    write_json(folder + "/special_tokens_map.json", tokens);
    tokens["tokenizer_class"] = "GPT2Tokenizer";
    tokens["model_max_length"] = context;
    tokens["add_prefix_space"] = false;
    tokens["clean_up_tokenization_spaces"] = false;
    write_json(folder + "/tokenizer_config.json", tokens);
}

void write_folder(const std::string& folder, const Weights& weights,
                  const ModelTokenizer& tokenizer) {
    const Json config = hf::config_json(weights.architecture(), tokenizer.end_of_text, loader);
    write_json(folder + "/config.json", config);
    write_json(folder + "/generation_config.json",
               Json::object({{"_from_model_config", true},
                             {"bos_token_id", config.at("bos_token_id")},
                             {"eos_token_id", config.at("eos_token_id")}}));
    write_tokenizer(tokenizer, weights.config().T, folder);
    if (!is_dense(weights.architecture())) {
        write_text_and_fsync(fmt::format("{}/{}.py", folder, loader), loader_module());
    }
    hf::write_weights(folder, weights);
    fsync_path(folder + "/model.safetensors");
}

/// Reads what was written as a user would and compares its logits with the model's.
double check_written(const std::string& written, Weights& weights) {
    const LoadedModel found = load_model(weights.backend(), written);
    const double difference = logit_difference(weights, *found.weights);
    if (!(difference <= tolerance)) {
        fail(ExitCode::internal,
             "{}: logits of the export differ by {:.2e} of the largest from the model's; nothing "
             "was published",
             written, difference);
    }
    return difference;
}

}  // namespace

int export_model(const ExportOptions& options) {
    const bool h5 = options.as == "h5";
    if (h5) {
        check_model_file(options.out, options.overwrite);
    } else {
        check_folder(options.out, options.overwrite);
    }
    const ModelLocation at = locate_model(options.model);
    const ModelTokenizer tokenizer = find_tokenizer(at);
    const std::unique_ptr<Backend> backend = make_backend("cpu");
    const LoadedModel model = load_model(*backend, at);
    std::unique_ptr<Weights> other = converted(*model.weights, options.as == "hf-dense");
    const Weights& weights = other ? *other : *model.weights;
    const std::int64_t parameters = weights.trained().count();
    double difference = 0.0;
    if (h5) {
        publish_file(options.out, [&](const std::string& temporary) {
            save_model(temporary, weights, code_version());
            other.reset();  // the model and what was written are in memory, never a third
            difference = check_written(temporary, *model.weights);
        });
        publish_tokenizer(tokenizer, options.out);
    } else {
        WorkFolder folder(options.out);
        write_folder(folder.result(), weights, tokenizer);
        other.reset();
        difference = check_written(folder.result(), *model.weights);
        folder.publish();
    }
    log::info("{} → {} ({}): {} parameters; read back, its logits differ by {:.1e} of the largest",
              options.model, options.out, options.as, parameters, difference);
    if (tokenizer.folder.empty()) {
        log::warning("no tokenizer is known for {}; the export has none", options.model);
    }
    return static_cast<int>(ExitCode::done);
}

}  // namespace lrd
