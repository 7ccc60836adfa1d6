// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace lrd {

/// ASCII blanks, by which lines and words are told.
inline bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

inline bool is_blank(std::string_view text) {
    for (const char c : text) {
        if (!is_blank(c)) {
            return false;
        }
    }
    return true;
}

}  // namespace lrd
