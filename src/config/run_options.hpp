// SPDX-License-Identifier: MIT
// The table of all settings of a run, and what is made from it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "config/option.hpp"

namespace lrd {

std::vector<Option> run_options(Config& config);                ///< all but the students'
std::vector<Option> student_options(StudentSettings& student);  ///< with its loss.* and optim.*
/// The same as they are called on the command line: "student.rank", "student.loss.kd".
std::vector<Option> student_flags(StudentSettings& student);

/// `--name=value` arguments that override a file, in order.
using Overrides = std::vector<std::pair<std::string, std::string>>;

/// File, then overrides (`student.key` for all students, `student.NAME.key` for one), then checks
/// of what single values cannot tell. Errors: missing_input, usage with file:line:column or flag.
Config load_config(const std::string& file, const Overrides& overrides);
/// The same of a text that to_toml() gave; `origin` stands for the file in messages.
Config parse_config(const std::string& text, const std::string& origin);

/// The whole configuration as TOML; load_config() of it gives the same.
std::string to_toml(const Config& config);

/// Settings that may not change when a run goes on, as "key: old → new"; empty if none did.
std::vector<std::string> differences(const Config& before, const Config& now);

}  // namespace lrd
