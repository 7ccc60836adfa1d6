// SPDX-License-Identifier: MIT
// The Unicode tables are PCRE2's. A page is made when the first of its characters is met, since
// most texts use a few of the 4352.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "data/character_class.hpp"

#include <pcre2.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "core/check.hpp"
#include "data/utf8.hpp"

namespace lrd {

namespace {

constexpr std::uint32_t page_count = 0x1100;

// Group i + 1 is class i; what is left over is `other`. \s is spelled out as White_Space: PCRE2's
// own \s also holds U+180E, which has been no white space since Unicode 6.3.
constexpr const char* pattern = R"((\p{L})|(\p{N})|([\p{Z}\t-\r\x{85}])|(.|\n))";

struct Matcher {
    std::unique_ptr<pcre2_code, void (*)(pcre2_code*)> code;
    std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> match;

    Matcher() : code(nullptr, pcre2_code_free), match(nullptr, pcre2_match_data_free) {
        int error = 0;
        PCRE2_SIZE offset = 0;
        code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED,
                                 PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr));
        LRD_CHECK(code, "pattern of the character classes, at {}: PCRE2 error {}", offset, error);
        match.reset(pcre2_match_data_create_from_pattern(code.get(), nullptr));
        LRD_CHECK(match, "no memory for a match");
    }

    CharacterClass operator()(std::uint32_t code_point) const {
        std::string character;
        append_utf8(character, code_point);
        const int rc = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(character.data()),
                                   character.size(), 0, PCRE2_ANCHORED, match.get(), nullptr);
        LRD_CHECK(rc >= 2 && rc <= 5, "class of U+{:04X}: PCRE2 returned {}", code_point, rc);
        return static_cast<CharacterClass>(rc - 2);  // rc - 1 is the highest group that matched
    }
};

std::unique_ptr<ClassPage> make_page(std::uint32_t index) {
    static const Matcher class_by_pattern;
    auto page = std::make_unique<ClassPage>();
    for (std::uint32_t low = 0; low < page->size(); ++low) {
        (*page)[low] = class_by_pattern((index << 8) | low);
    }
    return page;
}

std::array<std::atomic<const ClassPage*>, page_count> pages;  // null until they are met

const ClassPage& add_page(std::uint32_t index) {
    LRD_CHECK(index < page_count, "no code point is as large as {:X}00", index);
    static std::mutex mutex;  // of what follows, and of the matcher
    static std::array<std::unique_ptr<ClassPage>, page_count> owned;
    const std::scoped_lock lock(mutex);
    if (!owned[index]) {
        owned[index] = make_page(index);
        pages[index].store(owned[index].get(), std::memory_order_release);
    }
    return *owned[index];
}

}  // namespace

const ClassPage& class_page(std::uint32_t index) {
    if (index < page_count) {
        if (const ClassPage* page = pages[index].load(std::memory_order_acquire)) {
            return *page;
        }
    }
    return add_page(index);
}

}  // namespace lrd
