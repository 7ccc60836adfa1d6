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

/// The same for text that comes in parts: what push() and finish() return, joined, is what
/// replace_invalid_utf8() makes of the parts joined. It never gives half a character.
class Utf8Stream {
public:
    std::string push(std::string_view bytes);
    std::string finish();  ///< what is left: U+FFFD for an unfinished character, or nothing
    std::int64_t replaced() const { return replaced_; }  ///< so far

private:
    std::string unfinished_;  // up to 3 bytes
    std::int64_t replaced_ = 0;
};

/// Appends the UTF-8 bytes of a code point.
void append_utf8(std::string& text, std::uint32_t code_point);

}  // namespace lrd
