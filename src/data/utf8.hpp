// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lrd {

/// Replaces every maximal ill-formed part of `text` by U+FFFD (the Unicode Standard's practice,
/// and what Python's errors="replace" does); returns how many there were.
std::int64_t replace_invalid_utf8(std::string& text);

/// Bytes of `text` before a character that its end cuts: all of them if it ends with a whole one.
std::size_t whole_characters(std::string_view text);

/// replace_invalid_utf8() for text that comes in parts: what push() and finish() return, joined, is what
/// it makes of the parts joined. It never gives half a character.
class Utf8Stream {
public:
    std::string push(std::string_view bytes);
    std::string finish();  ///< what is left: U+FFFD for an unfinished character, or nothing
    std::int64_t replaced() const { return replaced_; }  ///< so far

private:
    std::string unfinished_;  // up to 3 bytes
    std::int64_t replaced_ = 0;
};

struct Character {
    std::uint32_t code_point;
    std::size_t bytes;
};

/// The character that starts at `at` < text.size() of valid UTF-8.
inline Character character_at(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) -> std::uint32_t {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
    };
    const auto tail = [&](std::size_t i) { return byte(at + i) & 0x3F; };
    const std::uint32_t lead = byte(at);
    if (lead < 0x80) {
        return {lead, 1};
    }
    if (lead < 0xE0) {
        return {(lead & 0x1F) << 6 | tail(1), 2};
    }
    if (lead < 0xF0) {
        return {(lead & 0x0F) << 12 | tail(1) << 6 | tail(2), 3};
    }
    return {(lead & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4};
}

/// Appends the UTF-8 bytes of a code point.
void append_utf8(std::string& text, std::uint32_t code_point);

}  // namespace lrd
