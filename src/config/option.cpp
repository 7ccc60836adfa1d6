// SPDX-License-Identifier: MIT
#include "config/option.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/check.hpp"

namespace lrd {
namespace {

std::string with_underscores(std::string name) {
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

const char* kind_of(const Value& value) {
    const char* names[] = {"true or false", "a whole number", "a number",
                           "a text",        "whole numbers",  "a list of texts"};
    return names[value.index()];
}

std::string number_text(double x) {
    std::string text = fmt::format("{}", x);
    return text;
}

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts;
    std::size_t begin = 0;
    while (begin <= text.size()) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        std::string part = text.substr(begin, end - begin);
        part.erase(0, part.find_first_not_of(" [\""));
        part.erase(part.find_last_not_of(" ]\"") + 1);
        if (!part.empty()) {
            parts.push_back(part);
        }
        begin = end + 1;
    }
    return parts;
}

template <class T>
bool parse_number(const std::string& text, T& out) {
    const char* end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, out);
    return result.ec == std::errc{} && result.ptr == end;
}

/// `text` as the kind of `like`; false if it is not one.
bool parse_like(const Value& like, const std::string& text, Value& out) {
    if (std::holds_alternative<bool>(like)) {
        const bool yes = text == "true" || text == "1" || text == "yes";
        out = yes;
        return yes || text == "false" || text == "0" || text == "no";
    }
    if (std::holds_alternative<std::int64_t>(like)) {
        std::int64_t number = 0;
        const bool good = parse_number(text, number);
        out = number;
        return good;
    }
    if (std::holds_alternative<double>(like)) {
        double number = 0.0;
        const bool good = parse_number(text, number);
        out = number;
        return good;
    }
    if (std::holds_alternative<std::vector<std::int64_t>>(like)) {
        std::vector<std::int64_t> numbers;
        for (const std::string& part : split(text)) {
            numbers.push_back(0);
            if (!parse_number(part, numbers.back())) {
                return false;
            }
        }
        out = numbers;
        return !numbers.empty();
    }
    if (std::holds_alternative<std::vector<std::string>>(like)) {
        out = split(text);
        return true;
    }
    out = text;
    return true;
}

/// "[0, 3]" and [0, 3] as "0,3".
Value as_text(const Value& value) {
    if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&value)) {
        return fmt::format("{}", fmt::join(*numbers, ","));
    }
    if (const auto* text = std::get_if<std::string>(&value)) {
        std::string bare = *text;
        std::erase_if(bare, [](char c) { return c == '[' || c == ']' || c == ' '; });
        return bare;
    }
    return value;
}

/// Where a whole number is as good as what is wanted, it is taken.
Value widened(const Value& like, const Value& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
        if (std::holds_alternative<double>(like)) {
            return static_cast<double>(*number);
        }
        if (std::holds_alternative<std::vector<std::int64_t>>(like)) {
            return std::vector<std::int64_t>{*number};
        }
    }
    if (const auto* text = std::get_if<std::string>(&value);
        text != nullptr && std::holds_alternative<std::vector<std::string>>(like)) {
        return std::vector<std::string>{*text};
    }
    return value;
}

bool number_in(const Limits& limits, double x) {
    return std::isfinite(x) && (limits.above_min ? x > limits.min : x >= limits.min) &&
           x <= limits.max;
}

bool inside(const Limits& limits, const Value& value) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
        return number_in(limits, static_cast<double>(*whole));
    }
    if (const auto* real = std::get_if<double>(&value)) {
        return number_in(limits, *real);
    }
    if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&value)) {
        return std::all_of(numbers->begin(), numbers->end(), [&](std::int64_t x) {
            return number_in(limits, static_cast<double>(x));
        });
    }
    if (const auto* text = std::get_if<std::string>(&value)) {
        return limits.allowed.empty() || std::find(limits.allowed.begin(), limits.allowed.end(),
                                                   *text) != limits.allowed.end();
    }
    return true;
}

/// Levenshtein's distance.
std::size_t distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
        }
    }
    return row.back();
}

}  // namespace

void Option::set(const Value& value, const std::string& place) const {
    const Value like = get();
    const Value wide = limits.list_as_text ? as_text(value) : widened(like, value);
    if (wide.index() != like.index()) {
        fail(ExitCode::usage, "{}: {} = {} is not {}", place, name(), toml_text(value),
             kind_of(like));
    }
    if (!inside(limits, wide)) {
        fail(ExitCode::usage, "{}: {} = {} is out of range; it may be {}", place, name(),
             toml_text(value), range());
    }
    put(wide);
}

void Option::set_text(const std::string& text, const std::string& place) const {
    Value value;
    if (!parse_like(get(), text, value)) {
        fail(ExitCode::usage, "{}: {} = \"{}\" is not {}", place, name(), text, kind_of(get()));
    }
    set(value, place);
}

std::string Option::range() const {
    std::string text;
    for (const std::string& one : limits.allowed) {
        text += (text.empty() ? "" : " | ") + (one.empty() ? "\"\"" : one);
    }
    if (!limits.allowed.empty()) {
        return text;
    }
    const bool low = std::isfinite(limits.min);
    const bool high = std::isfinite(limits.max);
    if (low && high) {
        return fmt::format("{}{} to {}", limits.above_min ? "above " : "", number_text(limits.min),
                           number_text(limits.max));
    }
    if (low) {
        return limits.above_min ? "above " + number_text(limits.min)
                                : number_text(limits.min) + " or more";
    }
    return high ? "at most " + number_text(limits.max) : "";
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& names) {
    std::string best;
    std::size_t least = std::max<std::size_t>(3, name.size() / 3);
    const auto last = [](const std::string& whole) { return whole.substr(whole.rfind('.') + 1); };
    for (const std::string& one : names) {  // the key alone counts too: the section may be wrong
        const std::size_t apart =
            std::min(distance(name, one), distance(last(name), last(one)) + 1);
        if (apart < least) {
            least = apart;
            best = one;
        }
    }
    return best.empty() ? "" : fmt::format("; did you mean {}?", best);
}

const Option* look_up(const std::vector<Option>& options, const std::string& name) {
    const std::string wanted = with_underscores(name);
    for (const Option& one : options) {
        // A name without a section is an alias of run.*
        if (one.name() == wanted || (one.section == "run" && one.key == wanted)) {
            return &one;
        }
    }
    return nullptr;
}

const Option& find_option(const std::vector<Option>& options, const std::string& name,
                          const std::string& place) {
    if (const Option* found = look_up(options, name)) {
        return *found;
    }
    std::vector<std::string> names;
    for (const Option& one : options) {
        names.push_back(one.name());
    }
    fail(ExitCode::usage, "{}: unknown key {}{}", place, name,
         did_you_mean(with_underscores(name), names));
}

namespace {

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        if (c == '\n') {
            out += "\\n";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    return out + "\"";
}

struct TomlText {
    std::string operator()(bool x) const { return x ? "true" : "false"; }
    std::string operator()(std::int64_t x) const { return std::to_string(x); }
    std::string operator()(double x) const {
        const std::string text = number_text(x);
        return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
    }
    std::string operator()(const std::string& x) const { return quoted(x); }
    template <class T>
    std::string operator()(const std::vector<T>& items) const {
        if constexpr (std::is_same_v<T, std::int64_t>) {
            if (items.size() == 1) {
                return (*this)(items.front());
            }
        }
        std::string text = "[";
        for (const T& item : items) {
            text += (text.size() > 1 ? ", " : "") + (*this)(item);
        }
        return text + "]";
    }
};

}  // namespace

std::string toml_text(const Value& value) { return std::visit(TomlText{}, value); }

std::string options_help(const std::vector<Option>& options) {
    std::string text;
    std::string section;
    for (const Option& one : options) {
        if (one.section != section) {
            section = one.section;
            text += fmt::format("\n[{}]\n", section);
        }
        const bool is_switch = one.get() == Value(false);
        const std::string value = is_switch ? "" : fmt::format("={}", toml_text(one.get()));
        const std::string range = one.range();
        text += fmt::format("{:<40} {}{}\n", fmt::format("  --{}{}", one.name(), value), one.help,
                            range.empty() ? "" : fmt::format(" ({})", range));
    }
    return text;
}

}  // namespace lrd
