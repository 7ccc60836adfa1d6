// SPDX-License-Identifier: MIT
// The only file that includes nlohmann/json, of which only the reader is used, event by event: its
// own values keep the last of two equal keys and overflow the stack when deep ones are copied.
#include "io/json.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/check.hpp"

namespace lrd {
namespace {

constexpr std::size_t deepest = 64;

class Reader : public nlohmann::json_sax<nlohmann::json> {
public:
    explicit Reader(const std::string& origin) : origin_(origin) {}
    Json result;

    bool null() override { return put(Json()); }
    bool boolean(bool value) override { return put(Json(value)); }
    bool number_integer(number_integer_t value) override { return put(Json(value)); }
    bool number_unsigned(number_unsigned_t value) override {
        const auto most = static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max());
        return put(value <= most ? Json(static_cast<std::int64_t>(value))
                                 : Json(static_cast<double>(value)));
    }
    bool number_float(number_float_t value, const string_t&) override { return put(Json(value)); }
    bool string(string_t& value) override { return put(Json(std::move(value))); }
    bool binary(binary_t&) override { return false; }  // not in JSON text

    bool start_object(std::size_t) override { return open(true); }
    bool start_array(std::size_t) override { return open(false); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        if (!stack_.back().keys.insert(name).second) {
            fail(ExitCode::bad_data, "{}: key \"{}\" is given twice in one object", origin_, name);
        }
        stack_.back().key = std::move(name);
        return true;
    }
    bool parse_error(std::size_t position, const std::string& token,
                     const nlohmann::detail::exception& error) override {
        // nlohmann's sentence starts with "[json.exception…] ".
        const std::string text = error.what();
        const std::size_t end = text.find("] ");
        fail(ExitCode::bad_data, "{}: not JSON at byte {} near \"{}\": {}", origin_, position,
             token, end == std::string::npos ? text : text.substr(end + 2));
    }

private:
    struct Level {
        bool is_object = false;
        Json::Array items = {};
        Json::Object members = {};
        std::string key = {};
        std::unordered_set<std::string> keys = {};
    };

    bool put(Json value) {
        if (stack_.empty()) {
            result = std::move(value);
        } else if (Level& level = stack_.back(); level.is_object) {
            level.members.emplace_back(std::move(level.key), std::move(value));
        } else {
            level.items.push_back(std::move(value));
        }
        return true;
    }
    bool open(bool is_object) {
        if (stack_.size() == deepest) {
            fail(ExitCode::bad_data, "{}: more than {} levels of nesting", origin_, deepest);
        }
        stack_.push_back(Level{is_object});
        return true;
    }
    bool close() {
        Level level = std::move(stack_.back());
        stack_.pop_back();
        return put(level.is_object ? Json(std::move(level.members)) : Json(std::move(level.items)));
    }

    std::string origin_;
    std::vector<Level> stack_;
};

/// The bytes of the valid UTF-8 sequence at the start of `text`, or 0 (RFC 3629, section 4).
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const unsigned first = byte(0);
    const std::size_t length = first < 0x80                     ? 1
                               : first >= 0xC2 && first <= 0xDF ? 2
                               : first >= 0xE0 && first <= 0xEF ? 3
                               : first >= 0xF0 && first <= 0xF4 ? 4
                                                                : 0;
    if (length >= 2) {  // no overlong forms, no surrogates, nothing above U+10FFFF
        const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
        const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
        if (byte(1) < low || byte(1) > high) {
            return 0;
        }
    }
    for (std::size_t i = 2; i < length; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) {
            return 0;
        }
    }
    return length;
}

void write_string(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const char c = text.front();
        if (length == 0) {
            out += "\xEF\xBF\xBD";
        } else if (c == '"' || c == '\\') {
            out += {'\\', c};
        } else if (c == '\n') {
            out += "\\n";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    out += '"';
}

void write_double(std::string& out, double value) {
    if (!std::isfinite(value)) {
        out += "null";
        return;
    }
    std::array<char, 32> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
    const std::string_view digits(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
    out += digits;
    if (digits.find_first_of(".e") == std::string_view::npos) {
        out += ".0";  // else it would come back as an integer
    }
}

void new_line(std::string& out, int indent, int level) {
    if (indent >= 0) {
        out += '\n';
        out.append(static_cast<std::size_t>(indent * level), ' ');
    }
}

void write_json(std::string& out, const Json& value, int indent, int level) {
    if (value.is_object() || value.is_array()) {
        out += value.is_object() ? '{' : '[';
        bool first = true;
        const auto next = [&] {
            out += first ? "" : indent < 0 ? ", " : ",";
            first = false;
            new_line(out, indent, level + 1);
        };
        if (value.is_object()) {
            for (const auto& [key, member] : value.as_object()) {
                next();
                write_string(out, key);
                out += ": ";
                write_json(out, member, indent, level + 1);
            }
        } else {
            for (const Json& item : value.as_array()) {
                next();
                write_json(out, item, indent, level + 1);
            }
        }
        if (!first) {
            new_line(out, indent, level);
        }
        out += value.is_object() ? '}' : ']';
    } else if (value.is_string()) {
        write_string(out, value.as_string());
    } else if (value.is_bool()) {
        out += value.as_bool() ? "true" : "false";
    } else if (value.is_int()) {
        out += fmt::format("{}", value.as_int());
    } else if (value.is_number()) {
        write_double(out, value.as_double());
    } else {
        out += "null";
    }
}

const char* kind_of(const Json& value) {
    return value.is_null()     ? "null"
           : value.is_bool()   ? "true or false"
           : value.is_int()    ? "an integer"
           : value.is_number() ? "a number"
           : value.is_string() ? "a string"
           : value.is_array()  ? "an array"
                               : "an object";
}

[[noreturn]] void fail_kind(const char* wanted, const Json& value) {
    fail(ExitCode::bad_data, "JSON: expected {}, found {}", wanted, kind_of(value));
}

template <class T, class Variant>
const T& get(const Variant& variant, const char* wanted, const Json& value) {
    const T* found = std::get_if<T>(&variant);
    if (found == nullptr) {
        fail_kind(wanted, value);
    }
    return *found;
}

}  // namespace

bool Json::as_bool() const { return get<bool>(value_, "true or false", *this); }
std::int64_t Json::as_int() const { return get<std::int64_t>(value_, "an integer", *this); }
const std::string& Json::as_string() const { return get<std::string>(value_, "a string", *this); }
const Json::Array& Json::as_array() const { return get<Array>(value_, "an array", *this); }
const Json::Object& Json::as_object() const { return get<Object>(value_, "an object", *this); }

double Json::as_double() const {
    if (is_null()) {
        return std::numeric_limits<double>::quiet_NaN();
    }
    return is_int() ? static_cast<double>(as_int()) : get<double>(value_, "a number", *this);
}

const Json* Json::find(std::string_view key) const {
    for (const auto& [name, member] : as_object()) {
        if (name == key) {
            return &member;
        }
    }
    return nullptr;
}

const Json& Json::at(std::string_view key) const {
    const Json* member = find(key);
    if (member == nullptr) {
        fail(ExitCode::bad_data, "JSON: key \"{}\" is missing", key);
    }
    return *member;
}

const Json& Json::at(std::size_t index) const {
    if (index >= as_array().size()) {
        fail(ExitCode::bad_data, "JSON: an array of {} items has no item {}", size(), index);
    }
    return as_array()[index];
}

Json& Json::operator[](std::string_view key) {
    if (is_null()) {
        value_ = Object{};
    }
    as_object();
    auto& members = std::get<Object>(value_);
    for (auto& [name, member] : members) {
        if (name == key) {
            return member;
        }
    }
    return members.emplace_back(std::string(key), Json()).second;
}

void Json::push(Json item) {
    if (is_null()) {
        value_ = Array{};
    }
    as_array();
    std::get<Array>(value_).push_back(std::move(item));
}

std::size_t Json::size() const {
    return is_array() ? as_array().size() : is_object() ? as_object().size() : 0;
}

std::string Json::dump(int indent) const {
    std::string out;
    write_json(out, *this, indent, 0);
    return out;
}

Json Json::parse(std::string_view text, const std::string& origin) {
    Reader reader(origin);
    nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
    return std::move(reader.result);
}

}  // namespace lrd
