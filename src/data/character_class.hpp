// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>

namespace lrd {

/// What GPT-2's split pattern tells apart: \p{L}, \p{N}, \s (Unicode's White_Space), the rest.
enum class CharacterClass : std::uint8_t { letter, number, blank, other };

/// The classes of 256 code points that differ in the last byte only.
using ClassPage = std::array<CharacterClass, 256>;

/// The page of code points (index << 8) to (index << 8) + 255, index in [0, 0x1100). Any thread.
const ClassPage& class_page(std::uint32_t index);

inline CharacterClass class_of(std::uint32_t code_point) {
    return class_page(code_point >> 8)[code_point & 0xFF];
}

}  // namespace lrd
