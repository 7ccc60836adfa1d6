// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "io/digest.hpp"

namespace lrd {

/// Sizes of text, in one document or many.
struct TextSizes {
    std::int64_t bytes = 0;
    std::int64_t words =
        0;  ///< between ASCII blanks, and one for each line end, as WikiText and PTB count
    std::int64_t unknown = 0;   ///< words "<unk>", of corpora that were made with them
    std::int64_t replaced = 0;  ///< U+FFFD put in for invalid UTF-8

    TextSizes& operator+=(const TextSizes& other);
    bool operator==(const TextSizes&) const = default;
};

/// Measures a document that comes in blocks.
class TextMeter {
public:
    void restart();
    void add(std::string_view block);
    /// `replaced` is for the caller to fill in, who knows.
    TextSizes sizes() const { return sizes_; }
    Hash128 hash() const { return hash_.value(); }  ///< equal for equal text

private:
    TextSizes sizes_;
    bool inside_ = false;      // of a word
    std::size_t matched_ = 0;  // characters of the word that are those of "<unk>"
    Xxh3 hash_;
};

}  // namespace lrd
