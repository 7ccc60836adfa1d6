// SPDX-License-Identifier: MIT
#include "train/metrics.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>

#include "core/check.hpp"
#include "core/log.hpp"
#include "io/publish.hpp"

namespace lrd {
namespace {

void check_width(const std::string& group, const Column& column, std::uint64_t values) {
    if (values != width_of(column)) {
        fail(ExitCode::bad_data, "row of metrics: {}/{} has {} values instead of {}", group,
             column.name, values, width_of(column));
    }
}

/// "/students/lrc/train" → "lrc"; "" for groups of the whole run.
std::string student_of(const std::string& group) {
    const std::string prefix = "/students/";
    if (!group.starts_with(prefix)) {
        return "";
    }
    return group.substr(prefix.size(), group.find('/', prefix.size()) - prefix.size());
}

/// A flush that failed half-way leaves columns of different lengths; all go back to `rows`.
void cut_to(h5::File& file, const std::string& name, std::uint64_t rows) {
    const std::uint64_t there = file.info(name).shape.at(0);
    if (there < rows) {
        fail(ExitCode::bad_data, "{}: {} has {} rows instead of {}; another program changed it",
             file.path(), name, there, rows);
    }
    if (there > rows) {
        file.resize(name, rows);
    }
}

}  // namespace

MetricsWriter::MetricsWriter(std::string run_directory, std::vector<ColumnGroup> groups,
                             std::vector<std::pair<std::string, std::string>> attributes)
    : log_path_(run_directory + "/log.jsonl"),
      hdf5_path_(run_directory + "/metrics.h5"),
      attributes_(std::move(attributes)) {
    for (ColumnGroup& group : groups) {
        groups_.push_back({std::move(group)});
    }
}

MetricsWriter::Group& MetricsWriter::find(const std::string& path) {
    const auto at = std::find_if(groups_.begin(), groups_.end(),
                                 [&](const Group& g) { return g.definition.path == path; });
    if (at == groups_.end()) {
        fail(ExitCode::bad_data, "row of metrics: this run has no group {}", path);
    }
    return *at;
}

MetricsWriter::Row MetricsWriter::make_row(const Group& group, std::int64_t step,
                                           const Json& values) const {
    Row row{step, {}};
    for (const Column& column : group.definition.columns) {
        const double missing =
            column.type == h5::Type::f64 ? std::numeric_limits<double>::quiet_NaN() : 0.0;
        std::vector<double> numbers(width_of(column), missing);
        const Json* value = values.find(column.name);
        if (value != nullptr && value->is_array()) {
            check_width(group.definition.path, column, value->size());
            std::transform(value->as_array().begin(), value->as_array().end(), numbers.begin(),
                           [](const Json& x) { return x.as_double(); });
        } else if (value != nullptr) {
            check_width(group.definition.path, column, 1);
            numbers[0] = value->as_double();
        }
        row.values.push_back(std::move(numbers));
    }
    return row;
}

void MetricsWriter::append(const std::string& path, std::int64_t step, const Json& values) {
    Group& group = find(path);
    for (const auto& [name, value] : values.as_object()) {
        const auto& columns = group.definition.columns;
        LRD_CHECK(std::any_of(columns.begin(), columns.end(),
                              [&, &key = name](const Column& c) { return c.name == key; }),
                  "{} has no column {}", path, name);
    }
    group.pending.push_back(make_row(group, step, values));
    Json line = Json::object({{"kind", "metrics"}, {"group", path}});
    if (const std::string student = student_of(path); !student.empty()) {
        line["student"] = student;
    }
    line["step"] = step;
    for (const auto& [name, value] : values.as_object()) {
        line[name] = value;
    }
    add_line(line);
}

void MetricsWriter::event(std::int64_t step, const std::string& what, const Json& details) {
    Json line = Json::object({{"kind", "event"}, {"event", what}, {"step", step}});
    for (const auto& [name, value] : details.as_object()) {
        line[name] = value;
    }
    add_line(line);
}

void MetricsWriter::add_line(const Json& line) { lines_ += line.dump() + "\n"; }

bool MetricsWriter::flush() {
    flush_log();
    return flush_hdf5();
}

/// One write call for all lines, so that a kill tears at most the last one.
void MetricsWriter::flush_log() {
    if (lines_.empty()) {
        return;
    }
    const int fd = ::open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    const off_t end = fd < 0 ? 0 : ::lseek(fd, 0, SEEK_END);
    const ssize_t written = fd < 0 ? -1 : ::write(fd, lines_.data(), lines_.size());
    const int error = errno;
    const bool whole = written == static_cast<ssize_t>(lines_.size());
    // A torn end would spoil the line that the next flush starts.
    const bool undone = whole || fd < 0 || ::ftruncate(fd, end) == 0;
    const bool closed = fd < 0 || ::close(fd) == 0;
    if (!whole || !undone || !closed) {
        fail(ExitCode::io, "{}: cannot append: {} ({} bytes are free there)", log_path_,
             written < 0 ? std::strerror(error) : "disk full", free_bytes(log_path_));
    }
    lines_.clear();
}

bool MetricsWriter::flush_hdf5() {
    const auto waiting = [](const Group& group) { return !group.pending.empty(); };
    if (!std::any_of(groups_.begin(), groups_.end(), waiting)) {
        return true;
    }
    if (!std::filesystem::exists(hdf5_path_)) {
        LRD_CHECK(std::all_of(groups_.begin(), groups_.end(),
                              [](const Group& group) { return group.written == 0; }),
                  "{} was removed during the run", hdf5_path_);
        publish_file(hdf5_path_, [&](const std::string& name) { create(name); });
    }
    std::optional<h5::File> file = h5::File::try_open_to_append(hdf5_path_);
    if (!file) {
        return false;
    }
    std::vector<Group*> done;
    for (Group& group : groups_) {
        if (waiting(group)) {
            append_rows(*file, group);
            done.push_back(&group);
        }
    }
    file->close();
    for (Group* group : done) {  // only now are the rows really there
        group->written += group->pending.size();
        group->pending.clear();
    }
    return true;
}

void MetricsWriter::append_rows(h5::File& file, Group& group) {
    const auto& [path, columns] = group.definition;
    cut_to(file, step_of(path), group.written);
    std::vector<std::int64_t> steps;
    for (const Row& row : group.pending) {
        steps.push_back(row.step);
    }
    file.append<std::int64_t>(step_of(path), steps);
    for (std::size_t c = 0; c < columns.size(); ++c) {
        std::vector<double> values;
        for (const Row& row : group.pending) {
            values.insert(values.end(), row.values[c].begin(), row.values[c].end());
        }
        const std::string name = path + "/" + columns[c].name;
        cut_to(file, name, group.written);
        if (columns[c].type == h5::Type::i64) {
            std::vector<std::int64_t> whole;
            std::transform(values.begin(), values.end(), std::back_inserter(whole),
                           [](double x) { return std::llround(x); });
            file.append<std::int64_t>(name, whole);
        } else {
            file.append<double>(name, values);
        }
    }
}

void MetricsWriter::create(const std::string& path) const {
    std::vector<ColumnGroup> groups;
    for (const Group& group : groups_) {
        groups.push_back(group.definition);
    }
    create_metrics_file(path, groups, attributes_);
}

void MetricsWriter::truncate_after(std::int64_t step) {
    if (!std::filesystem::exists(log_path_)) {
        if (step >= 0 && std::filesystem::exists(hdf5_path_)) {
            fail(ExitCode::bad_data,
                 "{} is gone, but {} is there; put the first back or move the second away",
                 log_path_, hdf5_path_);
        }
        publish_text(log_path_, "");
    }
    for (Group& group : groups_) {
        group.pending.clear();
        group.written = 0;
    }
    lines_.clear();
    publish_text(log_path_, take_lines(read_text(log_path_), step));
    rebuild();
}

/// The lines up to `step`, whose rows become pending. Behind the last line end there may be a line
/// that a kill has torn; it is dropped.
std::string MetricsWriter::take_lines(const std::string& text, std::int64_t step) {
    std::string kept;
    std::size_t number = 1;
    for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos;
         at = end + 1) {
        const std::string line = text.substr(at, end - at);
        const Json row = Json::parse(line, fmt::format("{}:{}", log_path_, number++));
        if (row.at("step").as_int() > step) {
            continue;
        }
        kept += line + "\n";
        if (row.at("kind").as_string() == "metrics") {
            Group& group = find(row.at("group").as_string());
            group.pending.push_back(make_row(group, row.at("step").as_int(), row));
        }
    }
    return kept;
}

void MetricsWriter::rebuild() {
    publish_file(hdf5_path_, [&](const std::string& name) {
        create(name);
        h5::File file = h5::File::open_to_append(name);
        for (Group& group : groups_) {
            append_rows(file, group);
        }
        file.close();
    });
    for (Group& group : groups_) {
        group.written = group.pending.size();
        group.pending.clear();
    }
}

}  // namespace lrd
