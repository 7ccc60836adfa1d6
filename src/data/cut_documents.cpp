// SPDX-License-Identifier: MIT
#include "core/check.hpp"
#include "data/documents.hpp"

namespace lrd {

namespace {

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool is_blank_line(std::string_view line) {
    for (const char c : line) {
        if (!is_blank(c)) {
            return false;
        }
    }
    return true;
}

/// " = Title = ", but not " = = Section = = ". `line` may end with blanks and its line end.
bool is_heading(std::string_view line) {
    while (!line.empty() && is_blank(line.back())) {
        line.remove_suffix(1);
    }
    return line.size() >= 6 && line.starts_with(" = ") && !line.starts_with(" = =") &&
           line.ends_with(" =") && !line.ends_with("= =");
}

/// Calls use(begin, line) for each line, which includes its '\n'.
template <class Use>
void for_each_line(std::string_view text, Use&& use) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t newline = text.find('\n', at);
        const std::size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
        use(at, text.substr(at, end - at));
        at = end;
    }
}

std::vector<std::string_view> cut_at(std::string_view text, const std::vector<std::size_t>& cuts) {
    std::vector<std::string_view> documents;
    std::size_t begin = 0;
    for (const std::size_t cut : cuts) {
        documents.push_back(text.substr(begin, cut - begin));
        begin = cut;
    }
    documents.push_back(text.substr(begin));
    return documents;
}

std::vector<std::size_t> blank_line_cuts(std::string_view text) {
    std::vector<std::size_t> cuts;
    bool text_before = false;
    bool blank_before = false;
    for_each_line(text, [&](std::size_t at, std::string_view line) {
        const bool blank = is_blank_line(line);
        if (!blank && blank_before && text_before) {
            cuts.push_back(at);
        }
        text_before = text_before || !blank;
        blank_before = blank;
    });
    return cuts;
}

// Tables and formulas in WikiText hold lines like " = 14 @.@ 1 years = " too; only between two
// blank lines they are titles, which gives the published 600, 60 and 60 articles of WikiText-2.
std::vector<std::size_t> wikitext_cuts(std::string_view text) {
    std::vector<std::size_t> cuts;
    std::size_t blank_at = 0;  // begin of the blank line before, if there was one
    bool blank_before = true;
    std::size_t heading_cut = std::string_view::npos;  // a heading whose next line is to be seen
    bool first = true;
    for_each_line(text, [&](std::size_t at, std::string_view line) {
        const bool blank = is_blank_line(line);
        if (heading_cut != std::string_view::npos && blank) {
            if (!first) {  // what comes before the first title belongs to it
                cuts.push_back(heading_cut);
            }
            first = false;
        }
        heading_cut = std::string_view::npos;
        if (!blank && blank_before && is_heading(line)) {
            heading_cut = blank_at;
        }
        blank_before = blank;
        blank_at = at;
    });
    return cuts;
}

}  // namespace

bool starts_with_heading(std::string_view text) {
    bool found = false;
    bool decided = false;
    for_each_line(text.substr(0, text.find_first_not_of(" \t\n\v\f\r") + 4096),
                  [&](std::size_t, std::string_view line) {
                      if (!decided && !is_blank_line(line)) {
                          found = is_heading(line);
                          decided = true;
                      }
                  });
    return found;
}

std::vector<std::string_view> cut_documents(std::string_view text, DocumentRule rule) {
    LRD_CHECK(rule != DocumentRule::automatic, "the rule has to be decided before");
    if (text.empty()) {
        return {};
    }
    switch (rule) {
        case DocumentRule::blank_line: return cut_at(text, blank_line_cuts(text));
        case DocumentRule::wikitext: return cut_at(text, wikitext_cuts(text));
        default: return {text};
    }
}

std::int64_t count_words(std::string_view text) {
    std::int64_t words = 0;
    bool inside = false;
    for (const char c : text) {
        const bool blank = is_blank(c);
        words += (!blank && !inside ? 1 : 0) + (c == '\n' ? 1 : 0);
        inside = !blank;
    }
    return words;
}

}  // namespace lrd
