// SPDX-License-Identifier: MIT
#include "train/teacher_cache_size.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "core/check.hpp"
#include "model/costs.hpp"

namespace lrd {
namespace {

constexpr Tap taps[] = {Tap::hidden, Tap::attention};

std::string readable(std::int64_t bytes) {
    const auto b = static_cast<double>(bytes);
    return b < 1e6   ? fmt::format("{:.1f} kB", b / 1e3)
           : b < 1e9 ? fmt::format("{:.1f} MB", b / 1e6)
                     : fmt::format("{:.1f} GB", b / 1e9);
}

std::int64_t bytes_per_token(const std::vector<CacheField>& fields) {
    return std::accumulate(
        fields.begin(), fields.end(), std::int64_t{0},
        [](std::int64_t sum, const CacheField& field) { return sum + field.bytes_per_token(); });
}

std::vector<CacheField> output_fields(const TeacherSettings& s, const Gpt2Config& teacher,
                                      std::int64_t taus) {
    if (s.cache_topk > 0) {
        // Logits lie far from 0 and near each other: bf16 would keep nothing of their differences.
        std::vector<CacheField> fields = {{"top_ids", DType::i32, s.cache_topk},
                                          {"top_logits", DType::f32, s.cache_topk}};
        for (std::int64_t i = 0; i < taus; ++i) {
            fields.push_back({lse_field(i), DType::f32, 1});
        }
        return fields;
    }
    return {{"hidden", s.cache_precision == "fp32" ? DType::f32 : DType::bf16, teacher.C}};
}

}  // namespace

std::vector<std::int64_t> clone_layers(const std::string& setting, std::int64_t L) {
    std::vector<std::int64_t> layers;
    if (setting == "all") {
        layers.resize(static_cast<std::size_t>(L));
        std::iota(layers.begin(), layers.end(), 0);
        return layers;
    }
    if (setting == "none") {
        return layers;
    }
    const char* at = setting.data();
    const char* end = at + setting.size();
    while (true) {
        std::int64_t layer = -1;
        const auto parsed = std::from_chars(at, end, layer);
        if (parsed.ec != std::errc{} || (parsed.ptr != end && *parsed.ptr != ',')) {
            fail(ExitCode::usage,
                 "teacher.cache_clone = \"{}\": expected all, none or a list of layers, [0, 3, 5]",
                 setting);
        }
        if (layer < 0 || layer >= L) {
            fail(ExitCode::usage, "teacher.cache_clone: layer {}: the teacher has layers 0 to {}",
                 layer, L - 1);
        }
        layers.push_back(layer);
        if (parsed.ptr == end) {
            break;
        }
        at = parsed.ptr + 1;
    }
    std::sort(layers.begin(), layers.end());
    layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
    return layers;
}

std::string clone_setting(const std::vector<std::int64_t>& layers) {
    return layers.empty() ? "none" : fmt::format("{}", fmt::join(layers, ","));
}

std::string tap_field(std::int64_t layer, Tap tap) {
    return fmt::format("taps/{}/{}", layer, tap == Tap::hidden ? "hidden" : "attention");
}

std::string lse_field(std::int64_t tau) { return fmt::format("log_sum_exp/{}", tau); }

std::vector<CacheField> cache_fields(const TeacherSettings& s, const Gpt2Config& teacher,
                                     std::int64_t taus) {
    std::vector<CacheField> fields = output_fields(s, teacher, taus);
    for (const std::int64_t layer : clone_layers(s.cache_clone, teacher.L)) {
        for (const Tap tap : taps) {
            fields.push_back({tap_field(layer, tap),
                              s.cache_precision == "fp32" ? DType::f32 : DType::bf16, teacher.C});
        }
    }
    return fields;
}

std::int64_t TeacherCacheSize::clone() const {
    return std::accumulate(taps.begin(), taps.end(), std::int64_t{0});
}

TeacherCacheSize teacher_cache_size(const TeacherSettings& s, const Gpt2Config& teacher,
                                    std::int64_t windows, std::int64_t T, std::int64_t taus) {
    const std::int64_t tokens = windows * T;
    TeacherCacheSize size;
    (s.cache_topk > 0 ? size.top_k : size.hidden) =
        tokens * bytes_per_token(output_fields(s, teacher, taus));
    const std::int64_t value = s.cache_precision == "fp32" ? 4 : 2;
    size.per_layer = tokens * taps_per_layer * teacher.C * value;
    size.taps.assign(static_cast<std::size_t>(teacher.L), 0);
    for (const std::int64_t layer : clone_layers(s.cache_clone, teacher.L)) {
        size.taps[static_cast<std::size_t>(layer)] = size.per_layer;
    }
    return size;
}

std::string describe(const TeacherCacheSize& size, const std::string& cache_clone) {
    return fmt::format("{} with teacher.cache_clone = {}; {} with none, and {} more for each layer",
                       readable(size.total()), cache_clone, readable(size.without_clone()),
                       readable(size.per_layer));
}

CachePayback cache_payback(const TeacherSettings& s, const Gpt2Config& teacher, std::int64_t T,
                           std::int64_t taus, const CacheRates& rates) {
    const Architecture architecture = dense_architecture(teacher);
    double flops = blocks_forward_cost(architecture, T, T).flops();
    if (s.cache_topk > 0) {
        flops += head_forward_cost(architecture, T).flops();
    }
    const auto bytes = static_cast<double>(bytes_per_token(cache_fields(s, teacher, taus)));
    CachePayback pays{flops / static_cast<double>(T) / rates.flops_per_s,
                      bytes / rates.read_bytes_per_s, bytes / rates.write_bytes_per_s};
    if (pays.teacher_s > pays.read_s) {
        pays.epochs = pays.write_s / (pays.teacher_s - pays.read_s);
    }
    return pays;
}

}  // namespace lrd
