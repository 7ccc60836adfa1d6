// SPDX-License-Identifier: MIT
// GPT-2's pattern (openai/gpt-2, encoder.py) as a scanner:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
#include "data/pretokenizer.hpp"

#include "data/character_class.hpp"
#include "data/utf8.hpp"

namespace lrd {

namespace {

struct Kind {
    CharacterClass kind;
    std::size_t bytes;
};

const ClassPage& ascii_page() {
    static const ClassPage& page = class_page(0);
    return page;
}

struct Scanner {
    std::string_view text;
    const ClassPage& ascii = ascii_page();

    Kind kind_at(std::size_t at) const {
        const auto byte = static_cast<unsigned char>(text[at]);
        if (byte < 0x80) {
            return {ascii[byte], 1};
        }
        const Character character = character_at(text, at);
        return {class_of(character.code_point), character.bytes};
    }

    /// The end of the characters of class `kind` from `at` on.
    std::size_t run_end(std::size_t at, CharacterClass kind) const {
        while (at < text.size()) {
            const Kind next = kind_at(at);
            if (next.kind != kind) {
                break;
            }
            at += next.bytes;
        }
        return at;
    }
};

/// Bytes of 's, 't, 're, 've, 'm, 'll or 'd at `at`, where an apostrophe stands; 0 if there is none.
std::size_t contraction(std::string_view text, std::size_t at) {
    const std::string_view rest = text.substr(at + 1, 2);
    if (rest == "re" || rest == "ve" || rest == "ll") {
        return 3;
    }
    const char first = rest.empty() ? '\0' : rest[0];
    return first == 's' || first == 't' || first == 'm' || first == 'd' ? 2 : 0;
}

std::size_t character_before(std::string_view text, std::size_t at) {
    do {
        --at;
    } while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
    return at;
}

}  // namespace

std::size_t piece_end(std::string_view text, std::size_t at) {
    if (text[at] == '\'') {
        if (const std::size_t bytes = contraction(text, at)) {
            return at + bytes;
        }
    }
    const Scanner scan{text};
    // " ?": one blank may lead what is not blank.
    const std::size_t start = at + (text[at] == ' ' && at + 1 < text.size() ? 1 : 0);
    const CharacterClass kind = scan.kind_at(start).kind;
    if (kind != CharacterClass::blank) {
        return scan.run_end(start, kind);
    }
    const std::size_t end = scan.run_end(at, kind);
    if (end == text.size()) {
        return end;
    }
    // Of several blanks the last one is left to the word that follows.
    const std::size_t last = character_before(text, end);
    return last > at ? last : end;
}

// A blank after what is none, or a change between letters, numbers and the rest: no piece goes
// across, and none before it looks farther. An apostrophe may belong to the letters after it.
std::size_t last_certain_border(std::string_view text) {
    if (text.empty()) {
        return 0;
    }
    const Scanner scan{text};
    std::size_t border = character_before(text, text.size());
    for (CharacterClass next = scan.kind_at(border).kind; border > 0;) {
        const std::size_t before = character_before(text, border);
        const CharacterClass kind = scan.kind_at(before).kind;
        const bool contracted = text[before] == '\'' && next == CharacterClass::letter;
        if (kind != CharacterClass::blank && kind != next && !contracted) {
            return border;
        }
        border = before;
        next = kind;
    }
    return 0;
}

}  // namespace lrd
