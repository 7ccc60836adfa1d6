// SPDX-License-Identifier: MIT
// Option: one setting as a reader meets it: name, help, range, and the variable behind it. A list of
// them is all that the command line, TOML files, --help and run.toml are made from.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <variant>
#include <vector>

namespace lrd {

using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                           std::vector<std::string>>;

/// What a value may be; what is left out is not limited.
struct Limits {
    double min = -std::numeric_limits<double>::infinity();
    double max = std::numeric_limits<double>::infinity();
    bool above_min = false;  // min itself is excluded
    std::vector<std::string> allowed = {};
    bool list_as_text = false;  // a text that may be written as a list: [0, 3] is "0,3"
};

struct Option {
    std::string section;  // "" for the options of a command of its own
    std::string key;
    std::string help;
    Limits limits;
    std::function<Value()> get;
    std::function<void(const Value&)> put;
    bool free_on_resume = false;  // may differ when a run is continued

    std::string name() const { return section.empty() ? key : section + "." + key; }
    /// Checks type and limits, then stores. Error(usage) that names `place`, value and range.
    void set(const Value& value, const std::string& place) const;
    void set_text(const std::string& text, const std::string& place) const;  ///< from an argument
    std::string range() const;  ///< "1 or more", "lifted | factored | dense", …
};

/// An option on `target`, whose value now is the default. `target` must outlive it.
template <class T>
Option option(std::string section, std::string key, T& target, std::string help,
              Limits limits = {}) {
    return {std::move(section),
            std::move(key),
            std::move(help),
            std::move(limits),
            [&target] { return Value(target); },
            [&target](const Value& value) { target = std::get<T>(value); }};
}
inline Option free_on_resume(Option o) {
    o.free_on_resume = true;
    return o;
}

/// nullptr if there is none.
const Option* look_up(const std::vector<Option>& options, const std::string& name);
/// The option of that name (hyphens and underscores are equal); Error(usage) with `place` and the
/// nearest names if there is none.
const Option& find_option(const std::vector<Option>& options, const std::string& name,
                          const std::string& place);
std::string did_you_mean(const std::string& name, const std::vector<std::string>& names);

std::string toml_text(const Value& value);  ///< as it stands in a TOML file
/// Sections, names, defaults, ranges, one option per line.
std::string options_help(const std::vector<Option>& options);

}  // namespace lrd
