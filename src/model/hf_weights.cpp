// SPDX-License-Identifier: MIT
#include "model/hf_weights.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "core/check.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "io/safetensors.hpp"

namespace lrd::hf {
namespace {

namespace fs = std::filesystem;
using safetensors::File;
using safetensors::Tensor;

constexpr std::string_view prefix = "transformer.";
constexpr const char* single = "/model.safetensors";
constexpr const char* index = "/model.safetensors.index.json";

/// A tensor and the file that holds it.
struct Place {
    const File* file;
    const Tensor* tensor;
};

/// All tensors of a directory by their names without `transformer.`.
struct Directory {
    std::vector<File> files;
    std::map<std::string, Place, std::less<>> tensors;
};

/// Names of the files that the index lists, and that each tensor is where it says.
std::map<std::string, std::set<std::string>> read_index(const std::string& path) {
    const Json json = Json::parse(read_text(path), path);
    const Json* map = json.is_object() ? json.find("weight_map") : nullptr;
    if (map == nullptr || !map->is_object() || map->size() == 0) {
        fail(ExitCode::bad_data, "{}: has no weight_map of tensors and files", path);
    }
    std::map<std::string, std::set<std::string>> tensors_of_file;
    for (const auto& [tensor, file] : map->as_object()) {
        if (!file.is_string() || file.as_string().find('/') != std::string::npos ||
            !file.as_string().ends_with(".safetensors")) {
            fail(ExitCode::bad_data, "{}: tensor {} is in {}, which is no file beside the index",
                 path, tensor, file.dump());
        }
        tensors_of_file[file.as_string()].insert(tensor);
    }
    return tensors_of_file;
}

void open_listed(const std::string& directory, std::vector<File>& files) {
    for (const auto& [name, tensors] : read_index(directory + index)) {
        files.push_back(File::open(directory + "/" + name));
        const File& file = files.back();
        for (const std::string& tensor : tensors) {
            if (file.find(tensor) == nullptr) {
                fail(ExitCode::bad_data, "{}{}: lists {} in {}, which does not have it", directory,
                     index, tensor, name);
            }
        }
        for (const Tensor& tensor : file.tensors()) {
            if (!tensors.contains(tensor.name)) {
                fail(ExitCode::bad_data, "{}: holds {}, which {}{} does not list in it",
                     file.path(), tensor.name, directory, index);
            }
        }
    }
}

Directory open_directory(const std::string& path) {
    Directory out;
    if (fs::exists(path + single)) {
        out.files.push_back(File::open(path + single));
    } else if (fs::exists(path + index)) {
        open_listed(path, out.files);
    } else {
        fail(ExitCode::missing_input,
             "{} has neither model.safetensors nor model.safetensors.index.json; weights in other "
             "formats have to be saved anew with save_pretrained(…, safe_serialization=True)",
             path);
    }
    for (const File& file : out.files) {
        for (const Tensor& tensor : file.tensors()) {
            const std::string_view full = tensor.name;
            const std::string name(full.starts_with(prefix) ? full.substr(prefix.size()) : full);
            if (!out.tensors.emplace(name, Place{&file, &tensor}).second) {
                fail(ExitCode::bad_data, "{}: {} is there twice", file.path(), name);
            }
        }
    }
    return out;
}

/// Causal masks that old versions of transformers saved.
bool is_mask(const std::string& name) {
    return name.starts_with("h.") &&
           (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"));
}

void check_shape(const Place& place, const Parameter& p, const std::string& directory) {
    std::vector<std::uint64_t> wanted;
    if (!p.vector) {
        wanted.push_back(static_cast<std::uint64_t>(p.rows));
    }
    wanted.push_back(static_cast<std::uint64_t>(p.cols));
    if (place.tensor->shape != wanted) {
        fail(ExitCode::bad_data, "{}: {} is {}, but {}/config.json asks for {}", place.file->path(),
             place.tensor->name, place.tensor->shape_text(), directory,
             Tensor{"", "", wanted}.shape_text());
    }
}

/// The head of a tied model may be in the file too; then it has to be the embedding.
void check_tied_head(const Directory& files, const Weights& weights, const std::string& directory) {
    const auto head = files.tensors.find("lm_head.weight");
    if (head == files.tensors.end() || weights.trained().has("lm_head.weight")) {
        return;
    }
    const Parameter& p = weights.trained().find("wte.weight");
    check_shape(head->second, p, directory);
    Backend& backend = weights.backend();
    std::vector<float> embedding;
    head->second.file->read(*head->second.tensor, [&](std::uint64_t first, auto values) {
        embedding.resize(values.size());
        const auto offset = p.offset + static_cast<std::int64_t>(first);
        const auto count = static_cast<std::int64_t>(values.size());
        backend.download(embedding.data(), weights.parameters().flat.at(offset, {count}));
        backend.synchronize();
        if (!std::equal(values.begin(), values.end(), embedding.begin())) {
            fail(ExitCode::bad_data,
                 "{}: lm_head.weight is not wte.weight, but {}/config.json ties them; if the head "
                 "is its own, set tie_word_embeddings to false there",
                 head->second.file->path(), directory);
        }
    });
}

}  // namespace

void read_weights(const std::string& directory, Weights& weights) {
    const Directory files = open_directory(directory);
    for (const auto& [name, place] : files.tensors) {
        const bool tied_head = name == "lm_head.weight" && weights.trained().has("wte.weight");
        if (!weights.trained().has(name) && !is_mask(name) && !tied_head) {
            fail(ExitCode::bad_data,
                 "{}: {} is no tensor of the GPT-2 that {}/config.json describes",
                 place.file->path(), place.tensor->name, directory);
        }
    }
    for (const Parameter& p : weights.trained().all()) {
        const auto found = files.tensors.find(p.name);
        if (found == files.tensors.end()) {
            fail(ExitCode::bad_data, "{}: tensor {} is missing", directory, p.name);
        }
        check_shape(found->second, p, directory);
    }
    Backend& backend = weights.backend();
    for (const Parameter& p : weights.trained().all()) {
        const Place& place = files.tensors.find(p.name)->second;
        place.file->read(*place.tensor, [&](std::uint64_t first, auto values) {
            const auto offset = p.offset + static_cast<std::int64_t>(first);
            const auto count = static_cast<std::int64_t>(values.size());
            backend.upload(weights.parameters().flat.at(offset, {count}), values.data());
            backend.synchronize();
        });
    }
    check_tied_head(files, weights, directory);
}

void write_weights(const std::string& directory, const Weights& weights) {
    std::vector<safetensors::Source> sources;
    for (const Parameter& p : weights.trained().all()) {
        const bool head = p.name.starts_with("lm_head.");  // outside of `transformer`
        const View view = weights.parameters().view(p);
        safetensors::Source source;
        source.name = (head ? "" : std::string(prefix)) + p.name;
        for (int i = 0; i < view.dims(); ++i) {
            source.shape.push_back(static_cast<std::uint64_t>(view.dim(i)));
        }
        source.values = [&weights, view] {
            std::vector<float> host(static_cast<std::size_t>(view.size()));
            weights.backend().download(host.data(), view);
            weights.backend().synchronize();
            return host;
        };
        sources.push_back(std::move(source));
    }
    safetensors::write(directory + single, std::move(sources), {{"format", "pt"}});
}

}  // namespace lrd::hf
