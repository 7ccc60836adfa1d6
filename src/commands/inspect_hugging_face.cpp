// SPDX-License-Identifier: MIT
#include "commands/inspect_hugging_face.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "io/safetensors.hpp"
#include "model/model_file.hpp"
#include "train/model_reference.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

Json tensors_json(const safetensors::File& file) {
    Json tensors = Json::array();
    for (const safetensors::Tensor& t : file.tensors()) {
        tensors.push(Json::object({{"name", t.name},
                                   {"type", t.dtype},
                                   {"shape", Json(t.shape)},
                                   {"bytes", t.end - t.begin}}));
    }
    return tensors;
}

}  // namespace

Json hugging_face_json(const std::string& path) {
    const ModelLocation at = locate_model(path);
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path)) {
        if (entry.path().extension() == ".safetensors") {
            names.push_back(entry.path().string());
        }
    }
    std::sort(names.begin(), names.end());
    std::uint64_t values = 0;
    Json files = Json::array();
    for (const std::string& name : names) {
        const safetensors::File file = safetensors::File::open(name);
        for (const safetensors::Tensor& t : file.tensors()) {
            values += t.size();
        }
        files.push(Json::object({{"file", name}, {"tensors", tensors_json(file)}}));
    }
    return Json::object({{"hugging_face", path},
                         {"architecture", to_json(at.architecture)},
                         {"values", values},
                         {"tokenizer", !tokenizer_folder(at).empty()},
                         {"files", std::move(files)}});
}

void print_hugging_face(const Json& json) {
    fmt::print("{}  GPT-2 of Hugging Face, {} values, {}\n", json.at("hugging_face").as_string(),
               json.at("values").as_int(),
               json.at("tokenizer").as_bool() ? "with a tokenizer" : "without a tokenizer");
    for (const auto& [key, value] : json.at("architecture").as_object()) {
        if (!value.is_array()) {
            fmt::print("  {} = {}\n", key, value.dump());
        }
    }
    for (const Json& file : json.at("files").as_array()) {
        fmt::print("{}\n", file.at("file").as_string());
        for (const Json& t : file.at("tensors").as_array()) {
            fmt::print("  {}  {} {}\n", t.at("name").as_string(), t.at("type").as_string(),
                       t.at("shape").dump());
        }
    }
}

}  // namespace lrd
