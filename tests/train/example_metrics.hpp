// SPDX-License-Identifier: MIT
// Groups of columns as a run has them, small.
#pragma once

#include "train/metrics.hpp"

namespace lrd::test {

inline std::vector<ColumnGroup> example_groups() {
    return {
        {"/train",
         {{"tokens", "1", "tokens seen", h5::Type::i64}, {"time_s", "s", "wall-clock time"}}},
        {"/students/lrc/train",
         {{"loss", "nat per token", "training loss"}, {"lr", "1", "learning rate"}}},
        {"/students/lrc/taps",
         {{"loss_clone_tap", "1", "clone loss by tap", h5::Type::f64, {{"layer", 3}, {"tap", 2}}}}},
    };
}

inline MetricsWriter example_writer(const std::string& run) {
    return {run, example_groups(), {{"title", "example"}, {"config_toml", "[run]\nseed = 1\n"}}};
}

/// Row `step` of every group: loss = 1/step, the tap (layer, tap) = step + layer/10 + tap/100.
inline void append_example_rows(MetricsWriter& writer, std::int64_t step) {
    const auto s = static_cast<double>(step);
    writer.append("/train", step, Json::object({{"tokens", step * 1024}, {"time_s", s / 8}}));
    writer.append("/students/lrc/train", step, Json::object({{"loss", 1.0 / s}}));
    std::vector<double> taps;
    for (int i = 0; i < 6; ++i) {
        taps.push_back(s + (i / 2) / 10.0 + (i % 2) / 100.0);
    }
    writer.append("/students/lrc/taps", step, Json::object({{"loss_clone_tap", taps}}));
}

}  // namespace lrd::test
