// SPDX-License-Identifier: MIT
#include "train/cache_description.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/check.hpp"

namespace lrd {
namespace {

/// What must be equal, and how a person calls it.
constexpr std::pair<const char*, const char*> must_match[] = {
    {"teacher", "another teacher"},
    {"tokens", "other tokens"},
    {"split", "another data.split"},
    {"context", "another data.context"},
    {"limit_tokens", "another data.limit_tokens"},
    {"document_mask", "another data.document_mask"},
    {"windows", "another number of windows"},
    {"compute_precision", "another run.precision"},
    {"cache_precision", "another teacher.cache_precision"},
    {"cache_topk", "another teacher.cache_topk"}};

std::string short_text(const Json& value) {
    const std::string text = value.is_string() ? value.as_string() : value.dump();
    return text.size() == 64 ? text.substr(0, 12) : text;  // a digest
}

template <class T, class As>
std::vector<T> list_of(const Json& json, As&& as) {
    std::vector<T> items;
    for (const Json& item : json.as_array()) {
        items.push_back(as(item));
    }
    return items;
}

}  // namespace

Json describe_cache(const CacheNeeds& n) {
    return Json::object({{"format_version", cache_version},
                         {"teacher", n.teacher_digest},
                         {"tokens", n.tokens_digest},
                         {"split", n.data.split},
                         {"context", n.data.context},
                         {"limit_tokens", n.data.limit_tokens},
                         {"document_mask", n.data.document_mask},
                         {"windows", n.windows},
                         {"compute_precision", n.stored == DType::bf16 ? "bf16" : "fp32"},
                         {"instruction_set", n.instruction_set},
                         {"cache_precision", n.settings.cache_precision},
                         {"cache_topk", n.settings.cache_topk},
                         {"taus", Json(cached_taus(n))},
                         {"clone_layers", Json(n.clone_layers)},
                         {"layers", n.teacher.L},
                         {"width", n.teacher.C},
                         {"vocabulary", n.teacher.V}});
}

std::vector<double> taus_of(const Json& found) {
    return list_of<double>(found.at("taus"), [](const Json& j) { return j.as_double(); });
}

void check_same(const std::string& folder, const Json& found, const Json& wanted,
                const CacheNeeds& needs) {
    std::string differs;
    for (const auto& [key, words] : must_match) {
        if (found.at(key) != wanted.at(key)) {
            differs += fmt::format("{}{} ({} → {})", differs.empty() ? "" : ", ", words,
                                   short_text(found.at(key)), short_text(wanted.at(key)));
        }
    }
    if (needs.reproducible && found.at("instruction_set") != wanted.at("instruction_set")) {
        differs += fmt::format("{}another instruction set, which run.reproducible fixes ({} → {})",
                               differs.empty() ? "" : ", ", short_text(found.at("instruction_set")),
                               short_text(wanted.at("instruction_set")));
    }
    if (!differs.empty()) {
        fail(ExitCode::bad_data,
             "{}: this cache is of {}; give what it was made for, choose another teacher.cache, or "
             "remove the folder",
             folder, differs);
    }
    const auto layers =
        list_of<std::int64_t>(found.at("clone_layers"), [](const Json& j) { return j.as_int(); });
    for (const std::int64_t layer : needs.clone_layers) {
        if (!std::binary_search(layers.begin(), layers.end(), layer)) {
            fail(ExitCode::bad_data,
                 "{}: this cache has no clone targets of layer {}, only of [{}]; set "
                 "teacher.cache_clone to these or loss.clone to 0, or choose another teacher.cache",
                 folder, layer, fmt::join(layers, ", "));
        }
    }
    const std::vector<double> taus = taus_of(found);
    for (const auto& [student, tau] : needs.taus) {
        if (needs.settings.cache_topk > 0 &&
            std::find(taus.begin(), taus.end(), tau) == taus.end()) {
            fail(ExitCode::bad_data,
                 "{}: this cache has no log-sum-exp for the loss.tau = {} of student {}, only for "
                 "[{}]; choose another teacher.cache",
                 folder, tau, student, fmt::join(taus, ", "));
        }
    }
}

CacheLayout layout_of(const Json& found, const CacheNeeds& needs, const std::string& origin) {
    TeacherSettings s = needs.settings;
    const auto layers =
        list_of<std::int64_t>(found.at("clone_layers"), [](const Json& j) { return j.as_int(); });
    s.cache_clone = clone_setting(layers);
    if (found.at("layers").as_int() != needs.teacher.L ||
        found.at("width").as_int() != needs.teacher.C) {
        fail(ExitCode::bad_data, "{}: its sizes are not the teacher's; remove the folder", origin);
    }
    return {cache_fields(s, needs.teacher, static_cast<std::int64_t>(found.at("taus").size())),
            needs.windows, needs.data.context};
}

}  // namespace lrd
