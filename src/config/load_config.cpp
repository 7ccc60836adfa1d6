// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "config/duration.hpp"
#include "config/run_options.hpp"
#include "config/step_range.hpp"
#include "config/toml_file.hpp"
#include "core/check.hpp"

namespace lrd {
namespace {

/// An empty table sets nothing, but its name may be misspelt.
void check_sections(const std::vector<Option>& options, const std::vector<TomlEntry>& empty) {
    std::vector<std::string> names;
    for (const Option& one : options) {
        names.push_back(one.section);
    }
    for (const TomlEntry& table : empty) {
        if (std::find(names.begin(), names.end(), table.key) == names.end()) {
            fail(ExitCode::usage, "{}: unknown section [{}]{}", table.place, table.key,
                 did_you_mean(table.key, names));
        }
    }
}

void set_all(const std::vector<Option>& options, const std::vector<TomlEntry>& entries) {
    for (const TomlEntry& entry : entries) {
        find_option(options, entry.key, entry.place).set(entry.value, entry.place);
    }
}

std::string default_name(const StudentSettings& s) {
    return s.rank.empty() ? s.form : fmt::format("{}-r{}", s.form, s.rank.front());
}

constexpr std::string_view student_prefix = "student.";

/// `--student.key=value`, for all students.
bool is_for_all(const std::string& key) {
    StudentSettings any;
    return look_up(student_options(any), key) != nullptr;
}

void override_all(Config& config, const std::string& key, const std::string& value) {
    const std::string place = fmt::format("--student.{}", key);
    if (config.students.empty()) {
        fail(ExitCode::usage, "{}: the configuration has no [[student]]", place);
    }
    for (StudentSettings& student : config.students) {
        find_option(student_options(student), key, place).set_text(value, place);
    }
}

/// `--student.NAME.key=value`.
void override_one(Config& config, const std::string& key, const std::string& value) {
    const std::string place = fmt::format("--student.{}", key);
    std::vector<std::string> names;
    for (StudentSettings& student : config.students) {
        if (key.starts_with(student.name + ".")) {
            find_option(student_options(student), key.substr(student.name.size() + 1), place)
                .set_text(value, place);
            return;
        }
        names.push_back(student.name);
    }
    const std::string name = key.substr(0, key.find('.'));
    std::string hint = did_you_mean(name, names);
    if (hint.empty()) {
        StudentSettings any;
        find_option(student_options(any), key, place);  // throws, with the nearest key
    }
    fail(ExitCode::usage, "{}: no student is named {}{}", place, name, hint);
}

void override_students(Config& config, const Overrides& overrides) {
    Overrides named;
    for (const auto& [name, value] : overrides) {
        if (name.starts_with(student_prefix)) {
            const std::string key = name.substr(student_prefix.size());
            if (is_for_all(key)) {
                override_all(config, key, value);
            } else {
                named.emplace_back(key, value);
            }
        }
    }
    for (StudentSettings& student : config.students) {
        if (student.name.empty()) {
            student.name = default_name(student);
        }
    }
    for (const auto& [key, value] : named) {
        override_one(config, key, value);
    }
}

/// What no single value shows.
void check(const std::string& file, const Config& c) {
    if (!c.run.max_time.empty()) {
        parse_duration(c.run.max_time);
    }
    parse_step_range(c.run.profile_steps);
    if (c.data.tokens.empty()) {
        fail(ExitCode::usage,
             "{}: data.tokens is missing; it names the folder that `lrd prepare` made", file);
    }
    if (c.students.empty()) {
        fail(ExitCode::usage, "{}: there is no [[student]]; add one", file);
    }
    std::set<std::string> names;
    for (const StudentSettings& s : c.students) {
        if (s.name.empty() || s.name.find_first_of("/:@.= \t\n") != std::string::npos) {
            fail(ExitCode::usage,
                 "{}: student name \"{}\" is empty or has one of / : @ . = or a blank in it", file,
                 s.name);
        }
        if (!names.insert(s.name).second) {
            fail(ExitCode::usage, "{}: two students are named {}; names tell them apart in files",
                 file, s.name);
        }
        if (s.form != "dense" && s.rank.empty()) {
            fail(ExitCode::usage, "{}: student {} is {} and needs a rank", file, s.name, s.form);
        }
        if (!c.teacher.model.empty()) {
            continue;
        }
        if (s.form == "lifted" || (s.init == "svd" && s.start.empty() && s.form != "dense")) {
            fail(ExitCode::usage,
                 "{}: student {} needs a teacher (form {}, init {}); set teacher.model", file,
                 s.name, s.form, s.init);
        }
        if (s.loss.kd != 0.0 || s.loss.clone != 0.0) {
            fail(ExitCode::usage,
                 "{}: student {} has loss.kd = {} and loss.clone = {}, but there is no "
                 "teacher; set teacher.model, or both to 0",
                 file, s.name, s.loss.kd, s.loss.clone);
        }
    }
    if (c.teacher.model.empty() && c.model.width % c.model.heads != 0) {
        fail(ExitCode::usage, "{}: model.width = {} is not a multiple of model.heads = {}", file,
             c.model.width, c.model.heads);
    }
    if (c.train.patience > 0 && c.train.eval_every == 0) {
        fail(ExitCode::usage,
             "{}: train.patience = {} counts evaluations, and train.eval_every = 0 has none before "
             "the end; set train.eval_every",
             file, c.train.patience);
    }
    if (c.train.global_batch % c.train.micro_batch != 0) {
        fail(ExitCode::usage,
             "{}: train.global_batch = {} is not a multiple of train.micro_batch = {}", file,
             c.train.global_batch, c.train.micro_batch);
    }
}

Config make_config(const TomlFile& toml, const std::string& file, const Overrides& overrides) {
    Config config;
    check_sections(run_options(config), toml.empty_tables);
    set_all(run_options(config), toml.entries);
    // [loss] and [optim] of the command line are defaults of the students too.
    for (const auto& [name, value] : overrides) {
        if (!name.starts_with("student.")) {
            find_option(run_options(config), name, "--" + name).set_text(value, "--" + name);
        }
    }
    for (const auto& entries : toml.students) {
        StudentSettings& student = config.students.emplace_back();
        student.loss = config.loss;
        student.optim = config.optim;
        set_all(student_options(student), entries);
    }
    override_students(config, overrides);
    if (config.run.reproducible && config.run.threads == 0) {
        config.run.threads = 1;  // not what the machine has: sums depend on it
    }
    check(file, config);
    return config;
}

}  // namespace

Config load_config(const std::string& file, const Overrides& overrides) {
    return make_config(read_toml(file), file, overrides);
}

Config parse_config(const std::string& text, const std::string& origin) {
    return make_config(parse_toml(text, origin), origin, {});
}

}  // namespace lrd
