// SPDX-License-Identifier: MIT
// Metrics: rows of named columns, in metrics.h5 for tools and in log.jsonl as its twin that no
// crash can damage. The HDF5 file is opened, appended to and closed at each flush, since a killed
// process would leave an open one unreadable.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "io/hdf5.hpp"
#include "io/json.hpp"
#include "train/metrics_layout.hpp"

namespace lrd {

class MetricsWriter {
public:
    /// Nothing is written before the first flush or truncate_after().
    /// `attributes`: texts for the root of metrics.h5 (title, config_toml, code_version, …).
    MetricsWriter(std::string run_directory, std::vector<ColumnGroup> groups,
                  std::vector<std::pair<std::string, std::string>> attributes);

    /// At a start, before the first row: drops all rows after `step` (-1: all), among them those of
    /// a run that went on after its last checkpoint, and rebuilds metrics.h5 from log.jsonl.
    /// Errors: bad_data if metrics.h5 has rows but log.jsonl is gone; io.
    void truncate_after(std::int64_t step);

    /// A row in memory. `values` has columns by name, those with axes as flat arrays; what is left
    /// out is NaN (an integer: 0).
    void append(const std::string& group, std::int64_t step, const Json& values);
    /// A line of log.jsonl only, e.g. a skipped update; `details` is an object.
    void event(std::int64_t step, const std::string& what, const Json& details = Json::object());

    /// Writes what is in memory: log.jsonl first, then metrics.h5. False if another program keeps
    /// metrics.h5 locked: its rows stay in memory for the next flush. Errors: io.
    bool flush();

private:
    struct Row {
        std::int64_t step;
        std::vector<std::vector<double>> values;  // per column
    };
    struct Group {
        ColumnGroup definition;
        std::uint64_t written = 0;  // rows in metrics.h5
        std::vector<Row> pending = {};
    };

    Group& find(const std::string& path);
    Row make_row(const Group& group, std::int64_t step, const Json& values) const;
    void add_line(const Json& line);
    void flush_log();
    bool flush_hdf5();
    std::string take_lines(const std::string& text, std::int64_t step);
    void rebuild();
    void create(const std::string& file) const;
    static void append_rows(h5::File& file, Group& group);

    std::string log_path_, hdf5_path_;
    std::vector<Group> groups_;
    std::vector<std::pair<std::string, std::string>> attributes_;
    std::string lines_;  // of log.jsonl, not yet written
};

}  // namespace lrd
