// SPDX-License-Identifier: MIT
// What a teacher cache takes: the one place that knows which values a window has in it. From it
// derive the layout of the files, the buffers, `lrd plan` and the refusals.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "core/view.hpp"
#include "model/gpt2_config.hpp"

namespace lrd {

/// The layers that teacher.cache_clone names ("all", "none", "0,3,5"), ascending. Error(usage).
std::vector<std::int64_t> clone_layers(const std::string& setting, std::int64_t L);
/// The setting that names these layers.
std::string clone_setting(const std::vector<std::int64_t>& layers);

/// One kind of value of every token; a window has (T, width) of them.
struct CacheField {
    std::string name;  // of the dataset: "hidden", "taps/3/attention", "top_ids", …
    DType stored;      // bf16 or f32; i32 for ids
    std::int64_t width;

    std::int64_t bytes_per_token() const {
        return width * static_cast<std::int64_t>(size_of(stored));
    }
};

std::string tap_field(std::int64_t layer, Tap tap);  ///< name of the field of one clone target
std::string lse_field(std::int64_t tau);             ///< … of the log-sum-exps of the tau-th τ

/// All fields of a cache: the final hidden state, or with cache_topk = K ids and logits of the K
/// largest and a log-sum-exp for each of `taus` temperatures; then both taps of the clone layers.
std::vector<CacheField> cache_fields(const TeacherSettings& settings, const Gpt2Config& teacher,
                                     std::int64_t taus);

struct TeacherCacheSize {
    std::int64_t hidden = 0;         // bytes of the final hidden states; 0 with top-K
    std::int64_t top_k = 0;          // bytes of ids, logits and log-sum-exps
    std::vector<std::int64_t> taps;  // (L) bytes of both clone targets of a layer; 0: not cached
    std::int64_t per_layer = 0;      // what one more layer takes
    std::int64_t without_clone() const { return hidden + top_k; }  ///< cache_clone = none
    std::int64_t clone() const;
    std::int64_t total() const { return without_clone() + clone(); }
};

/// Bytes of a cache of `windows` windows of T tokens; file overhead (< 1 %) is not counted.
TeacherCacheSize teacher_cache_size(const TeacherSettings& settings, const Gpt2Config& teacher,
                                    std::int64_t windows, std::int64_t T, std::int64_t taus);

/// "94.3 GB with cache_clone = all; 3.6 GB with none and 7.6 GB more for each layer": for `plan`,
/// the line before a run and refusals.
std::string describe(const TeacherCacheSize& size, const std::string& cache_clone);

/// What a token costs with a cache and without, in seconds.
struct CacheRates {
    double flops_per_s;
    double read_bytes_per_s = 1e9, write_bytes_per_s = 3e8;
};
struct CachePayback {
    double teacher_s = 0.0, read_s = 0.0, write_s = 0.0;  // per token
    /// Tokens of later epochs after which writing is paid back, per token of the first; < 0: never.
    double epochs = -1.0;
};
CachePayback cache_payback(const TeacherSettings& settings, const Gpt2Config& teacher,
                           std::int64_t T, std::int64_t taus, const CacheRates& rates);

}  // namespace lrd
