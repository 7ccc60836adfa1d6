// SPDX-License-Identifier: MIT
#define PCRE2_CODE_UNIT_WIDTH 8
#include "data/pretokenizer.hpp"

#include <pcre2.h>

#include <array>

#include "core/check.hpp"

namespace lrd {

namespace {

// GPT-2's pattern (openai/gpt-2, encoder.py):
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// with \s spelled out as Unicode's White_Space: PCRE2's own \s also holds U+180E, Python's not.
#define LRD_SPACE R"(\p{Z}\t-\r\x{85})"
constexpr const char* split_pattern =
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^)" LRD_SPACE R"(\p{L}\p{N}]+|[)" LRD_SPACE
    R"(]+(?![^)" LRD_SPACE R"(])|[)" LRD_SPACE R"(]+)";
#undef LRD_SPACE

std::string message_of(int code) {
    std::array<PCRE2_UCHAR, 256> text{};
    pcre2_get_error_message(code, text.data(), text.size());
    return reinterpret_cast<const char*>(text.data());
}

}  // namespace

struct Pretokenizer::Pattern {
    pcre2_code* code = nullptr;
    pcre2_match_data* match = nullptr;
    bool jit = false;

    ~Pattern() {
        pcre2_match_data_free(match);
        pcre2_code_free(code);
    }
};

Pretokenizer::Pretokenizer() : pattern_(std::make_unique<Pattern>()) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    pattern_->code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(split_pattern), PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
    LRD_CHECK(pattern_->code != nullptr, "split pattern, at {}: {}", offset, message_of(error));
    // Without JIT support in the library the interpreter gives the same pieces, only slower.
    pattern_->jit = pcre2_jit_compile(pattern_->code, PCRE2_JIT_COMPLETE) == 0;
    pattern_->match = pcre2_match_data_create_from_pattern(pattern_->code, nullptr);
    LRD_CHECK(pattern_->match != nullptr, "no memory for a match of the split pattern");
}

Pretokenizer::~Pretokenizer() = default;

std::size_t Pretokenizer::piece_end(std::string_view text, std::size_t at) {
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    if (pattern_->jit) {
        rc = pcre2_jit_match(pattern_->code, subject, text.size(), at, 0, pattern_->match, nullptr);
    }
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(pattern_->code, subject, text.size(), at,
                         PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, pattern_->match, nullptr);
    }
    LRD_CHECK(rc > 0, "split pattern at byte {}: {}", at, message_of(rc));
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(pattern_->match);
    LRD_CHECK(range[0] == at && range[1] > at, "split pattern skipped bytes {} to {}", at,
              range[0]);
    return range[1];
}

}  // namespace lrd
