// SPDX-License-Identifier: MIT
#include "data/utf8.hpp"

#include <algorithm>
#include <utility>

namespace lrd {

namespace {

struct Sequence {
    std::size_t length;  // bytes to step over, at least 1
    bool valid;
    bool cut = false;  // by the end of the text
};

// Table 3-7 of the Unicode Standard: the lead byte fixes the length and the range of the second
// byte, which keeps overlong forms, surrogates and values above U+10FFFF out.
Sequence sequence_at(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(at);
    if (lead < 0x80) {
        return {1, true};
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return {1, false};
    }
    const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (lead == 0xE0) {
        low = 0xA0;
    } else if (lead == 0xED) {
        high = 0x9F;
    } else if (lead == 0xF0) {
        low = 0x90;
    } else if (lead == 0xF4) {
        high = 0x8F;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if (at + i == text.size()) {
            return {i, false, true};
        }
        if (byte(at + i) < low || byte(at + i) > high) {
            return {i, false};
        }
        low = 0x80;
        high = 0xBF;
    }
    return {length, true};
}

}  // namespace

std::int64_t replace_invalid_utf8(std::string& text) {
    std::size_t at = 0;
    while (at < text.size()) {
        const Sequence sequence = sequence_at(text, at);
        if (!sequence.valid) {
            break;
        }
        at += sequence.length;
    }
    if (at == text.size()) {
        return 0;
    }
    std::int64_t replaced = 0;
    std::string clean = text.substr(0, at);
    while (at < text.size()) {
        const Sequence sequence = sequence_at(text, at);
        if (sequence.valid) {
            clean.append(text, at, sequence.length);
        } else {
            clean += "\xEF\xBF\xBD";
            ++replaced;
        }
        at += sequence.length;
    }
    text = std::move(clean);
    return replaced;
}

std::size_t whole_characters(std::string_view text) {
    // A lead byte starts a sequence whatever stands before it.
    const std::size_t farthest = text.size() - std::min<std::size_t>(text.size(), 3);
    for (std::size_t at = text.size(); at-- > farthest;) {
        if (static_cast<unsigned char>(text[at]) >= 0xC0) {
            return sequence_at(text, at).cut ? at : text.size();
        }
    }
    return text.size();
}

std::string Utf8Stream::push(std::string_view bytes) {
    std::string text = std::exchange(unfinished_, {});
    text += bytes;
    const std::size_t whole = whole_characters(text);
    unfinished_ = text.substr(whole);
    text.resize(whole);
    replaced_ += replace_invalid_utf8(text);
    return text;
}

std::string Utf8Stream::finish() {
    std::string text = std::exchange(unfinished_, {});
    replaced_ += replace_invalid_utf8(text);
    return text;
}

void append_utf8(std::string& text, std::uint32_t c) {
    const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | (c >> 6));
        put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | (c >> 12));
        put(0x80 | ((c >> 6) & 0x3F));
        put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | (c >> 18));
        put(0x80 | ((c >> 12) & 0x3F));
        put(0x80 | ((c >> 6) & 0x3F));
        put(0x80 | (c & 0x3F));
    }
}

}  // namespace lrd
