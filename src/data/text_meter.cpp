// SPDX-License-Identifier: MIT
#include "data/text_meter.hpp"

#include "data/blank.hpp"

namespace lrd {

namespace {

constexpr std::string_view unknown_word = "<unk>";

}  // namespace

TextSizes& TextSizes::operator+=(const TextSizes& other) {
    bytes += other.bytes;
    words += other.words;
    unknown += other.unknown;
    replaced += other.replaced;
    return *this;
}

void TextMeter::restart() {
    sizes_ = {};
    inside_ = false;
    matched_ = 0;
    hash_.restart();
}

void TextMeter::add(std::string_view block) {
    hash_.add(block.data(), block.size());
    sizes_.bytes += static_cast<std::int64_t>(block.size());
    constexpr std::size_t other_word = unknown_word.size() + 1;
    for (const char c : block) {
        if (is_blank(c)) {
            sizes_.words += c == '\n' ? 1 : 0;
            inside_ = false;
            continue;
        }
        if (!inside_) {
            ++sizes_.words;
            inside_ = true;
            matched_ = 0;
        }
        // The word is counted when it is complete and taken back if it goes on.
        if (matched_ < unknown_word.size() && c == unknown_word[matched_]) {
            sizes_.unknown += ++matched_ == unknown_word.size() ? 1 : 0;
        } else {
            sizes_.unknown -= matched_ == unknown_word.size() ? 1 : 0;
            matched_ = other_word;
        }
    }
}

}  // namespace lrd
