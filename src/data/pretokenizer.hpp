// SPDX-License-Identifier: MIT
// Cuts text into the pieces of GPT-2's split pattern, within which byte pairs are merged. The
// pieces cover the text: nothing is left out. All texts here are valid UTF-8 (data/utf8.hpp).
#pragma once

#include <cstddef>
#include <string_view>

namespace lrd {

/// Where the piece that starts at `at` < text.size() ends.
std::size_t piece_end(std::string_view text, std::size_t at);

/// Calls use(piece) for every piece in order.
template <class Use>
void for_each_piece(std::string_view text, Use&& use) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = piece_end(text, at);
        use(text.substr(at, end - at));
        at = end;
    }
}

/// The last place in `text` where it may be cut whatever follows: the pieces of text[0, place)
/// and those of the rest with its continuation are the pieces of the whole. 0 if there is none, as
/// in a run of one kind of character.
std::size_t last_certain_border(std::string_view text);

}  // namespace lrd
