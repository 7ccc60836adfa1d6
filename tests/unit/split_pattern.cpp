// SPDX-License-Identifier: MIT
#define PCRE2_CODE_UNIT_WIDTH 8
#include "split_pattern.hpp"

#include <pcre2.h>

#include <stdexcept>

namespace lrd::test {

namespace {

// openai/gpt-2, encoder.py, with \s spelled out as White_Space: PCRE2's own \s also holds U+180E.
#define SPACE R"(\p{Z}\t-\r\x{85})"
constexpr const char* pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^)" SPACE
                                R"(\p{L}\p{N}]+|[)" SPACE "]+(?![^" SPACE "])|[" SPACE "]+";
#undef SPACE

}  // namespace

std::vector<std::string> pieces_by_pattern(std::string_view text) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    static pcre2_code* code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
    static pcre2_match_data* match = pcre2_match_data_create_from_pattern(code, nullptr);
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
        const int rc = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                   at == 0 ? 0 : PCRE2_NO_UTF_CHECK, match, nullptr);
        const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match);
        if (rc <= 0 || range[0] != at || range[1] == at) {
            throw std::logic_error("the pattern leaves text out");
        }
        pieces.emplace_back(text.substr(at, range[1] - at));
        at = range[1];
    }
    return pieces;
}

}  // namespace lrd::test
