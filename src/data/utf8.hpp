// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace lrd {

/// Replaces every maximal ill-formed part of `text` by U+FFFD (the Unicode Standard's practice,
/// and what Python's errors="replace" does); returns how many there were.
std::int64_t replace_invalid_utf8(std::string& text);

/// Appends the UTF-8 bytes of a code point.
void append_utf8(std::string& text, std::uint32_t code_point);

}  // namespace lrd
