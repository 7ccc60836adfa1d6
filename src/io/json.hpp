// SPDX-License-Identifier: MIT
// Json: a value. Objects keep their order; reading refuses what other parsers pass silently.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace lrd {

class Json {
public:
    using Array = std::vector<Json>;
    using Object = std::vector<std::pair<std::string, Json>>;

    Json() = default;  ///< null
    Json(std::nullptr_t) {}
    Json(bool value) : value_(value) {}
    template <std::integral T>
    requires(!std::same_as<T, bool>) Json(T value) : value_(static_cast<std::int64_t>(value)) {}
    template <std::floating_point T>
    Json(T value) : value_(static_cast<double>(value)) {}
    Json(const char* text) : value_(std::string(text)) {}
    Json(std::string text) : value_(std::move(text)) {}
    Json(std::string_view text) : value_(std::string(text)) {}
    Json(Array items) : value_(std::move(items)) {}
    Json(Object members) : value_(std::move(members)) {}
    template <class T>
    Json(const std::vector<T>& items) : value_(Array(items.begin(), items.end())) {}

    /// Json::object({{"step", 3}, {"loss", 2.5}})
    static Json object(std::initializer_list<std::pair<std::string, Json>> members = {}) {
        return Json(Object(members));
    }
    static Json array(std::initializer_list<Json> items = {}) { return Json(Array(items)); }

    bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
    bool is_bool() const { return std::holds_alternative<bool>(value_); }
    bool is_int() const { return std::holds_alternative<std::int64_t>(value_); }
    bool is_number() const { return is_int() || std::holds_alternative<double>(value_); }
    bool is_string() const { return std::holds_alternative<std::string>(value_); }
    bool is_array() const { return std::holds_alternative<Array>(value_); }
    bool is_object() const { return std::holds_alternative<Object>(value_); }

    // Another type than asked for: Error(bad_data), "expected a number, found a string".
    bool as_bool() const;
    std::int64_t as_int() const;
    double as_double() const;  ///< integers too; null is NaN, since NaN is written as null
    const std::string& as_string() const;
    const Array& as_array() const;
    const Object& as_object() const;

    const Json* find(std::string_view key) const;  ///< nullptr if this object has no such key
    const Json& at(std::string_view key) const;    ///< Error(bad_data) if it has not
    const Json& at(std::size_t index) const;
    Json& operator[](std::string_view key);  ///< adds null at the end; null becomes object
    void push(Json item);                    ///< null becomes array
    std::size_t size() const;                ///< items or members; 0 otherwise

    /// One line, or with `indent` spaces per level. Doubles read back to the same bits; NaN and
    /// infinities are null, since JSON has no such numbers; invalid UTF-8 becomes U+FFFD.
    std::string dump(int indent = -1) const;

    /// Error(bad_data) with `origin` (a file name, say) for bad syntax, a key given twice in one
    /// object, or more than 64 levels.
    static Json parse(std::string_view text, const std::string& origin);

    bool operator==(const Json&) const = default;

private:
    std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> value_;
};

}  // namespace lrd
