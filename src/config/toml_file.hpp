// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "config/option.hpp"

namespace lrd {

struct TomlEntry {
    std::string key;  // "train.steps"; of a student relative to it: "loss.clone"
    Value value;
    std::string place;  // "file.toml:12:3"
};

struct TomlFile {
    std::vector<TomlEntry> entries;
    std::vector<std::vector<TomlEntry>> students;  // one per [[student]]
    std::vector<TomlEntry> empty_tables;           // `key` is the section
};

/// Errors: missing_input; usage with file:line:column for bad syntax or a value of a kind that no
/// setting has. Tables named `provenance` are notes for people and skipped.
TomlFile read_toml(const std::string& path);
/// The same of a text; `origin` stands for the file in messages.
TomlFile parse_toml(const std::string& text, const std::string& origin);

}  // namespace lrd
