// SPDX-License-Identifier: MIT
#include "train/metrics_layout.hpp"

#include <numeric>

namespace lrd {
namespace {

constexpr std::int64_t format_version = 1;

/// The axis' coordinate; made once per group.
void create_axis(h5::File& file, const std::string& name, const Axis& axis) {
    std::vector<std::int32_t> numbers(axis.size);
    std::iota(numbers.begin(), numbers.end(), 0);
    file.write<std::int32_t>(name, numbers);
    file.set_attribute(name, "units", "1");
    file.set_attribute(name, "long_name", "index of the " + axis.name);
    file.make_scale(name, axis.name);
}

void create_column(h5::File& file, const std::string& group, const Column& column) {
    const std::string name = group + "/" + column.name;
    h5::Shape row;
    for (const Axis& axis : column.axes) {
        row.push_back(axis.size);
    }
    file.create_column(name, column.type, row, column.axes.empty() ? 512 : 64);
    file.set_attribute(name, "units", column.units);
    file.set_attribute(name, "long_name", column.long_name);
    if (column.rank_dependent) {
        file.set_attribute(name, "rank_dependent", std::int64_t{1});
    }
    file.attach_scale(name, 0, step_of(group));
    for (unsigned i = 0; i < column.axes.size(); ++i) {
        const Axis& axis = column.axes[i];
        const std::string coordinate = group + "/" + axis.name;
        if (!file.exists(coordinate)) {
            create_axis(file, coordinate, axis);
        }
        file.attach_scale(name, i + 1, coordinate);
    }
}

void create_group(h5::File& file, const ColumnGroup& group) {
    file.create_column(step_of(group.path), h5::Type::i64);
    file.set_attribute(step_of(group.path), "units", "1");
    file.set_attribute(step_of(group.path), "long_name", "optimiser steps done");
    file.make_scale(step_of(group.path), "step");
    for (const Column& column : group.columns) {
        create_column(file, group.path, column);
    }
}

}  // namespace

std::uint64_t width_of(const Column& column) {
    return std::accumulate(column.axes.begin(), column.axes.end(), std::uint64_t{1},
                           [](std::uint64_t n, const Axis& axis) { return n * axis.size; });
}

std::string step_of(const std::string& group) { return group + "/step"; }

void create_metrics_file(const std::string& path, const std::vector<ColumnGroup>& groups,
                         const std::vector<std::pair<std::string, std::string>>& attributes) {
    h5::File file = h5::File::create(path);
    file.set_attribute("/", "Conventions", "LRD-1.0 CF-like");
    file.set_attribute("/", "format_version", format_version);
    for (const auto& [key, text] : attributes) {
        file.set_attribute("/", key, text);
    }
    for (const ColumnGroup& group : groups) {
        create_group(file, group);
    }
    file.close();
}

}  // namespace lrd
