// SPDX-License-Identifier: MIT
// What metrics.h5 looks like inside: groups of columns with dimension scales, units and names, so
// that h5py, pandas, xarray and HDFView need no help.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "io/hdf5.hpp"

namespace lrd {

/// An axis of a column besides `step`, e.g. {"layer", 12}; its coordinate is 0, 1, ….
struct Axis {
    std::string name;
    std::uint64_t size;
};

struct Column {
    std::string name;
    std::string units;              // "1", "nat per token", "s"
    std::string long_name;          // for the axis of a plot
    h5::Type type = h5::Type::f64;  // or i64
    std::vector<Axis> axes = {};    // none: one number per row
    bool rank_dependent = false;    // other ranks or machines, other numbers: no part of a digest
};

/// Columns of equal length along their own `step`. Tools that make a table of a whole group need
/// columns without axes; those with axes belong in a group of their own.
struct ColumnGroup {
    std::string path;  // "/train", "/students/lrc-r58/val"
    std::vector<Column> columns;
};

std::uint64_t width_of(const Column& column);   ///< numbers per row
std::string step_of(const std::string& group);  ///< path of the group's dimension scale

/// A file with all groups and no rows. Errors: io.
void create_metrics_file(const std::string& path, const std::vector<ColumnGroup>& groups,
                         const std::vector<std::pair<std::string, std::string>>& attributes);

}  // namespace lrd
