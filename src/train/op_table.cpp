// SPDX-License-Identifier: MIT
#include "train/op_table.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace lrd {

MachineRates measure_rates(Backend& backend) {
    constexpr std::int64_t bytes = std::int64_t{64} << 20;  // twice: more than caches hold
    return {product_rate(backend, 2048, 3072, 768, 3), copy_rate(backend, bytes, 3)};
}

std::vector<OpRow> op_rows(const Profile& profile, const MachineRates& rates) {
    std::map<std::string, OpRow> by_name;
    for (const Span& span : profile.spans()) {
        if (span.track == Track::ops) {
            OpRow& row = by_name[span.name];
            ++row.calls;
            row.seconds += span.end - span.begin;
            row.cost += span.cost;
        }
    }
    std::vector<OpRow> rows;
    for (auto& [name, row] : by_name) {
        row.op = name;
        const double least = std::max(row.cost.flops / rates.product, row.cost.bytes / rates.copy);
        row.peak = row.seconds > 0.0 ? least / row.seconds : 0.0;
        rows.push_back(row);
    }
    std::sort(rows.begin(), rows.end(),
              [](const OpRow& a, const OpRow& b) { return a.seconds > b.seconds; });
    return rows;
}

double seconds_of(const std::vector<OpRow>& rows) {
    return std::accumulate(rows.begin(), rows.end(), 0.0,
                           [](double sum, const OpRow& row) { return sum + row.seconds; });
}

namespace {
double per_second(double amount, const OpRow& row) {
    return row.seconds > 0.0 ? amount / row.seconds / 1e9 : 0.0;
}
}  // namespace

Json ops_json(const std::vector<OpRow>& rows) {
    Json json = Json::object();
    for (const OpRow& row : rows) {
        json[row.op] = Json::object({{"calls", row.calls},
                                     {"seconds", row.seconds},
                                     {"gflop_per_s", per_second(row.cost.flops, row)},
                                     {"gb_per_s", per_second(row.cost.bytes, row)},
                                     {"peak_fraction", row.peak}});
    }
    return json;
}

std::vector<std::string> ops_text(const std::vector<OpRow>& rows, const MachineRates& rates,
                                  double seconds) {
    std::vector<std::string> lines{fmt::format("{:<24}{:>9}{:>12}{:>8}{:>10}{:>9}{:>9}", "op",
                                               "calls", "seconds", "share", "GFLOP/s", "GB/s",
                                               "of peak")};
    for (const OpRow& row : rows) {
        lines.push_back(fmt::format("{:<24}{:>9}{:>12.4f}{:>7.1f}%{:>10.1f}{:>9.1f}{:>8.1f}%",
                                    row.op, row.calls, row.seconds, 100.0 * row.seconds / seconds,
                                    per_second(row.cost.flops, row),
                                    per_second(row.cost.bytes, row), 100.0 * row.peak));
    }
    const double between = seconds - seconds_of(rows);
    lines.push_back(fmt::format("{:<24}{:>9}{:>12.4f}{:>7.1f}%", "outside ops", "", between,
                                100.0 * between / seconds));
    lines.push_back(
        fmt::format("peak of a rank, measured: {:.1f} GFLOP/s in products, {:.1f} GB/s in copies",
                    rates.product / 1e9, rates.copy / 1e9));
    return lines;
}

}  // namespace lrd
