// SPDX-License-Identifier: MIT
#include "config/toml_file.hpp"

#include <fmt/core.h>

#include <toml++/toml.h>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/check.hpp"

namespace lrd {
namespace {

std::string place_of(const std::string& path, const toml::source_region& source) {
    return fmt::format("{}:{}:{}", path, source.begin.line, source.begin.column);
}

Value array_value(const toml::array& items, const std::string& place, const std::string& key) {
    std::vector<std::int64_t> numbers;
    std::vector<std::string> texts;
    for (const toml::node& item : items) {
        if (const auto number = item.value_exact<std::int64_t>()) {
            numbers.push_back(*number);
        } else if (const auto text = item.value_exact<std::string>()) {
            texts.push_back(*text);
        } else {
            fail(ExitCode::usage, "{}: {} may list whole numbers or texts", place, key);
        }
    }
    if (!numbers.empty() && !texts.empty()) {
        fail(ExitCode::usage, "{}: {} mixes numbers and texts", place, key);
    }
    return numbers.empty() ? Value(texts) : Value(numbers);
}

Value value_of(const toml::node& node, const std::string& place, const std::string& key) {
    if (const auto x = node.value_exact<bool>()) {
        return *x;
    }
    if (const auto x = node.value_exact<std::int64_t>()) {
        return *x;
    }
    if (const auto x = node.value_exact<double>()) {
        return *x;
    }
    if (const auto x = node.value_exact<std::string>()) {
        return *x;
    }
    if (const toml::array* items = node.as_array()) {
        return array_value(*items, place, key);
    }
    fail(ExitCode::usage, "{}: {} is a date or time, which no setting is", place, key);
}

void flatten(const std::string& path, const toml::table& table, const std::string& prefix,
             std::vector<TomlEntry>& out) {
    for (const auto& [key, node] : table) {
        const std::string name = prefix + std::string(key.str());
        if (const toml::table* inner = node.as_table()) {
            flatten(path, *inner, name + ".", out);
        } else {
            const std::string place = place_of(path, key.source());
            out.push_back({name, value_of(node, place, name), place});
        }
    }
}

}  // namespace

TomlFile read_toml(const std::string& path) {
    if (!std::filesystem::is_regular_file(path)) {
        fail(ExitCode::missing_input, "no configuration file {}", path);
    }
    std::ifstream stream(path, std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf();
    return parse_toml(text.str(), path);
}

TomlFile parse_toml(const std::string& text, const std::string& path) {
    toml::table table;
    try {
        table = toml::parse(text, path);
    } catch (const toml::parse_error& error) {
        fail(ExitCode::usage, "{}: {}", place_of(path, error.source()), error.description());
    }
    TomlFile file;
    if (const toml::node* students = table.get("student")) {
        const toml::array* list = students->as_array();
        if (list == nullptr || !list->is_homogeneous(toml::node_type::table)) {
            fail(ExitCode::usage, "{}: students are written [[student]], with two brackets",
                 place_of(path, students->source()));
        }
        for (const toml::node& student : *list) {
            flatten(path, *student.as_table(), "", file.students.emplace_back());
        }
    }
    table.erase("student");
    table.erase("provenance");
    for (const auto& [key, node] : table) {
        if (const toml::table* inner = node.as_table(); inner != nullptr && inner->empty()) {
            file.empty_tables.push_back(
                {std::string(key.str()), false, place_of(path, node.source())});
        }
    }
    flatten(path, table, "", file.entries);
    return file;
}

}  // namespace lrd
