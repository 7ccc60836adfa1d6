// SPDX-License-Identifier: MIT
#include "model/model_file.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/check.hpp"
#include "io/digest.hpp"

namespace lrd {
namespace {

/// JSON key of each size: the one list that reading and writing share.
constexpr std::pair<const char*, std::int64_t Gpt2Config::*> sizes[] = {
    {"layers", &Gpt2Config::L},     {"width", &Gpt2Config::C}, {"heads", &Gpt2Config::H},
    {"head_width", &Gpt2Config::D}, {"ffn", &Gpt2Config::F},   {"context", &Gpt2Config::T},
    {"vocabulary", &Gpt2Config::V},
};
constexpr std::int64_t largest_size = std::int64_t{1} << 24;

}  // namespace

Json to_json(const Architecture& a) {
    Json json = Json::object();
    for (const auto& [key, member] : sizes) {
        json[key] = a.config.*member;
    }
    json["tied"] = a.config.tied;
    json["epsilon"] = a.config.epsilon;
    json["embedding_rank"] = a.embedding_rank;
    json["forms"] = Json::array();
    json["ranks"] = Json::array();
    for (const FormSpec& spec : a.linears) {
        json["forms"].push(spec.kind);
        json["ranks"].push(spec.rank);
    }
    return json;
}

Architecture architecture_from_json(const Json& json, const std::string& origin) {
    Architecture a;
    for (const auto& [key, member] : sizes) {
        const std::int64_t size = json.at(key).as_int();
        if (size < 1 || size > largest_size) {
            fail(ExitCode::bad_data, "{}: {} = {} is no model's size", origin, key, size);
        }
        a.config.*member = size;
    }
    if (const Json* tied = json.find("tied")) {  // files before 2026-11-24 have neither
        a.config.tied = tied->as_bool();
    }
    if (const Json* epsilon = json.find("epsilon")) {
        a.config.epsilon = epsilon->as_double();
    }
    a.embedding_rank = json.at("embedding_rank").as_int();
    const Json::Array& forms = json.at("forms").as_array();
    const Json::Array& ranks = json.at("ranks").as_array();
    const auto linears = static_cast<std::size_t>(a.config.L * linears_per_layer);
    if (forms.size() != linears || ranks.size() != linears) {
        fail(ExitCode::bad_data, "{}: {} forms and {} ranks for {} linears", origin, forms.size(),
             ranks.size(), linears);
    }
    for (std::size_t i = 0; i < linears; ++i) {
        a.linears.push_back({forms[i].as_string(), ranks[i].as_int()});
    }
    return a;
}

h5::Shape dataset_shape(const Parameter& p) {
    const auto cols = static_cast<std::uint64_t>(p.cols);
    return p.vector ? h5::Shape{cols} : h5::Shape{static_cast<std::uint64_t>(p.rows), cols};
}

void load_weights(const h5::File& file, const std::string& group, Weights& weights) {
    for (const Parameter& p : weights.trained().all()) {
        const std::string dataset = group + "/" + p.name;
        const std::vector<float> host = file.read<float>(dataset, dataset_shape(p));
        if (!std::all_of(host.begin(), host.end(), [](float x) { return std::isfinite(x); })) {
            fail(ExitCode::bad_data, "{}: {} holds values that are not finite", file.path(),
                 dataset);
        }
        weights.backend().upload(weights.parameters().view(p), host.data());
        weights.backend().synchronize();
    }
}

std::string weights_digest(const Weights& weights) {
    std::string digests;
    for (const Parameter& p : weights.trained().all()) {
        std::vector<float> host(static_cast<std::size_t>(p.size()));
        weights.backend().download(host.data(), weights.parameters().view(p));
        weights.backend().synchronize();
        digests += p.name + " " + xxh3_128(host.data(), host.size() * sizeof(float)) + "\n";
    }
    if (weights.config().epsilon !=
        Gpt2Config{}.epsilon) {  // digests of old files stay as they are
        digests += fmt::format("epsilon {}\n", weights.config().epsilon);
    }
    return sha256(digests);
}

}  // namespace lrd
