// SPDX-License-Identifier: MIT
#include "model/hf_config.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include "core/check.hpp"
#include "io/publish.hpp"
#include "model/merge.hpp"
#include "model/model_file.hpp"

namespace lrd::hf {
namespace {

constexpr std::int64_t largest_size = std::int64_t{1} << 24;
// Our class with factors; its config has what Architecture has besides sizes under `lrd`.
constexpr const char* own_type = "lrd_gpt2";
constexpr const char* own_class = "LrdGpt2LMHeadModel";

/// config.json with errors that name file, key and value.
class Reader {
public:
    explicit Reader(const std::string& directory)
        : path_(directory + "/config.json"), json_(Json::parse(read_text(path_), path_)) {
        if (!json_.is_object()) {
            fail(ExitCode::bad_data, "{}: is no JSON object", path_);
        }
    }

    /// Null where the key is missing or null: Hugging Face's default.
    const Json* find(const char* key) const {
        const Json* value = json_.find(key);
        return value == nullptr || value->is_null() ? nullptr : value;
    }
    [[noreturn]] void refuse(const char* key, const std::string& why) const {
        const Json* value = json_.find(key);
        fail(ExitCode::bad_data, "{}: {} = {}: {}", path_, key,
             value == nullptr ? "(missing)" : value->dump(), why);
    }
    std::int64_t size(const char* key, std::int64_t fallback = 0) const {
        const Json* value = find(key);
        const bool is_size = value == nullptr ? fallback > 0 : value->is_int();
        const std::int64_t size = value != nullptr && is_size ? value->as_int() : fallback;
        if (!is_size || size < 1 || size > largest_size) {
            refuse(key, "a size from 1 is expected");
        }
        return size;
    }
    /// A switch that has to stand as it does by default.
    void require(const char* key, bool wanted) const {
        const Json* value = find(key);
        if (value != nullptr && *value != Json(wanted)) {
            refuse(key, fmt::format("only {} is supported", wanted));
        }
    }
    bool flag(const char* key, bool fallback) const {
        const Json* value = find(key);
        if (value != nullptr && !value->is_bool()) {
            refuse(key, "true or false is expected");
        }
        return value == nullptr ? fallback : value->as_bool();
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
    Json json_;
};

void check_kind(const Reader& config, bool own) {
    const Json* type = config.find("model_type");
    if (!own && (type == nullptr || *type != Json("gpt2"))) {
        config.refuse("model_type", "only Hugging Face's gpt2 is supported");
    }
    const Json* classes = config.find("architectures");
    if (classes == nullptr) {
        return;
    }
    const Json::Array one_class{*classes};  // a text alone, too
    for (const Json& one : classes->is_array() ? classes->as_array() : one_class) {
        const bool known = own ? one == Json(own_class)
                               : one == Json("GPT2LMHeadModel") || one == Json("GPT2Model");
        if (!known) {
            config.refuse("architectures", "only GPT2LMHeadModel and GPT2Model are supported");
        }
    }
}

/// What changes the function that the weights compute. Dropout is of training, and
/// reorder_and_upcast_attn of half precision: both are left out here.
void check_function(const Reader& config) {
    const Json* gelu = config.find("activation_function");
    if (gelu != nullptr && *gelu != Json("gelu_new") && *gelu != Json("gelu_pytorch_tanh")) {
        config.refuse("activation_function",
                      "only the tanh form of GELU (gelu_new, gelu_pytorch_tanh) is supported");
    }
    config.require("scale_attn_weights", true);
    config.require("scale_attn_by_inverse_layer_idx", false);
    config.require("add_cross_attention", false);
    if (config.find("quantization_config") != nullptr) {
        config.refuse("quantization_config", "quantised weights are not supported");
    }
    if (const Json* pruned = config.find("pruned_heads"); pruned != nullptr && pruned->size() > 0) {
        config.refuse("pruned_heads", "pruned heads are not supported");
    }
}

Gpt2Config read_sizes(const Reader& config) {
    Gpt2Config c;
    c.L = config.size("n_layer");
    c.C = config.size("n_embd");
    c.H = config.size("n_head");
    c.T = config.size("n_positions");
    c.V = config.size("vocab_size");
    if (c.C % c.H != 0) {
        config.refuse("n_embd", fmt::format("is no multiple of n_head = {}", c.H));
    }
    c.D = c.C / c.H;
    c.F = config.size("n_inner", 4 * c.C);
    c.tied = config.flag("tie_word_embeddings", true);
    if (const Json* epsilon = config.find("layer_norm_epsilon")) {
        if (!epsilon->is_number() || !(epsilon->as_double() > 0.0 && epsilon->as_double() < 1.0)) {
            config.refuse("layer_norm_epsilon", "a number between 0 and 1 is expected");
        }
        c.epsilon = epsilon->as_double();
    }
    return c;
}

}  // namespace

bool is_model(const std::string& path) {
    return std::filesystem::is_regular_file(path + "/config.json");
}

Architecture read_config(const std::string& directory) {
    const Reader config(directory);
    const Json* type = config.find("model_type");
    const bool own = type != nullptr && *type == Json(own_type);
    check_kind(config, own);
    check_function(config);
    const Gpt2Config sizes = read_sizes(config);
    if (!own) {
        return dense_architecture(sizes);
    }
    const Json* factors = config.find("lrd");
    if (factors == nullptr) {
        config.refuse("lrd", "the forms and ranks of the factors are expected");
    }
    Architecture out = architecture_from_json(*factors, config.path());
    if (out.config != sizes) {
        config.refuse("lrd", "its sizes are not those beside it");
    }
    return out;
}

Json config_json(const Architecture& a, std::int64_t end_of_text, const std::string& loader) {
    const Gpt2Config& c = a.config;
    if (c.H * c.D != c.C) {
        fail(ExitCode::usage,
             "{} heads of width {} do not make the width {}; Hugging Face's GPT-2 cannot hold it, "
             "--as h5 can",
             c.H, c.D, c.C);
    }
    const bool dense = is_dense(a);
    Json json =
        Json::object({{"model_type", dense ? "gpt2" : own_type},
                      {"architectures", Json::array({dense ? "GPT2LMHeadModel" : own_class})},
                      {"activation_function", "gelu_new"},
                      {"n_layer", c.L},
                      {"n_embd", c.C},
                      {"n_head", c.H},
                      {"n_inner", c.F == 4 * c.C ? Json() : Json(c.F)},
                      {"n_positions", c.T},
                      {"n_ctx", c.T},
                      {"vocab_size", c.V},
                      {"layer_norm_epsilon", c.epsilon},
                      {"tie_word_embeddings", c.tied},
                      {"scale_attn_weights", true},
                      {"initializer_range", 0.02},
                      {"resid_pdrop", 0.0},
                      {"embd_pdrop", 0.0},
                      {"attn_pdrop", 0.0},
                      {"bos_token_id", end_of_text < 0 ? Json() : Json(end_of_text)},
                      {"eos_token_id", end_of_text < 0 ? Json() : Json(end_of_text)},
                      {"torch_dtype", "float32"},
                      {"use_cache", true}});
    if (!dense) {
        json["lrd"] = to_json(a);
        json["auto_map"] = Json::object({{"AutoConfig", loader + ".LrdGpt2Config"},
                                         {"AutoModelForCausalLM", loader + "." + own_class}});
    }
    return json;
}

}  // namespace lrd::hf
