// SPDX-License-Identifier: MIT
#include "data/document_rule.hpp"

#include <array>
#include <optional>

#include "core/check.hpp"
#include "data/lines.hpp"

namespace lrd {

namespace {

constexpr std::array<const char*, 5> names = {"auto", "file", "blank-line", "wikitext", "jsonl"};

/// A place where a document begins, and the blank line to which the cut belongs: the one before it,
/// or for wikitext the one it begins with. Its part of the file is that of this line.
struct Cut {
    std::int64_t at, line;
};

/// Tables and formulas in WikiText hold lines like " = 14 @.@ 1 years = " too; only between two
/// blank lines they are titles, which gives the published 600, 60 and 60 articles of WikiText-2.
bool ends_title(const Line& before, const Line& previous, const Line& line) {
    return before.blank && previous.title && line.blank;
}

/// The cut that `line` makes certain, after the two lines before it.
std::optional<Cut> cut_at(const FileFacts& facts, const Line& before, const Line& previous,
                          const Line& line) {
    if (facts.rule == DocumentRule::blank_line && previous.blank && !line.blank &&
        line.begin > facts.first_text) {
        return Cut{line.begin, previous.begin};
    }
    // What comes before the first title belongs to it.
    if (facts.rule == DocumentRule::wikitext && ends_title(before, previous, line) &&
        before.begin > facts.first_title) {
        return Cut{before.begin, before.begin};
    }
    return std::nullopt;
}

void find_lines(ByteReader& file, std::int64_t begin, std::int64_t end, const UseDocument& use) {
    Lines lines(file, begin, end);
    for (Line line; lines.at() < end && lines.next(line);) {
        if (!line.blank) {
            use(line.begin, line.end);
        }
    }
}

std::int64_t find_first_title(ByteReader& file) {
    Line before{.blank = true};  // the start of a file counts as a blank line
    before.begin = 0;
    Line previous;
    Lines lines(file, 0, file.size());
    if (!lines.next(previous)) {
        return file.size();
    }
    for (Line line; lines.next(line);) {
        if (ends_title(before, previous, line)) {
            return before.begin;
        }
        before = previous;
        previous = line;
    }
    return file.size();
}

}  // namespace

DocumentRule document_rule(const std::string& name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (name == names[i]) {
            return static_cast<DocumentRule>(i);
        }
    }
    fail(ExitCode::usage, "--documents {}: expected auto, file, blank-line, wikitext or jsonl",
         name);
}

const char* name_of(DocumentRule rule) { return names[static_cast<std::size_t>(rule)]; }

FileFacts look_at(ByteReader& file, DocumentRule rule, bool single_fraction) {
    FileFacts facts{rule, file.size(), file.size(), file.size()};
    Lines lines(file, 0, file.size());
    Line line{.blank = true};
    while (line.blank && lines.next(line)) {
    }
    if (!line.blank) {
        facts.first_text = line.begin;
    }
    if (rule == DocumentRule::automatic) {
        facts.rule = line.title        ? DocumentRule::wikitext
                     : single_fraction ? DocumentRule::blank_line
                                       : DocumentRule::file;
    }
    if (facts.rule == DocumentRule::wikitext) {
        facts.first_title = find_first_title(file);
    }
    return facts;
}

void find_documents(ByteReader& file, const FileFacts& facts, std::int64_t begin, std::int64_t end,
                    const UseDocument& use) {
    LRD_CHECK(facts.rule != DocumentRule::automatic, "the rule has to be decided before");
    if (facts.rule == DocumentRule::jsonl) {
        find_lines(file, begin, end, use);
        return;
    }
    std::int64_t open = begin == 0 && facts.size > 0 ? 0 : -1;  // begin of a document, or none
    if (facts.rule == DocumentRule::file) {
        if (open == 0) {
            use(0, facts.size);
        }
        return;
    }
    Line before;
    Line previous;
    Lines lines(file, begin, end);
    // Without an open document, two lines more at most: a cut of this part may hang on them.
    const auto undecided = [&] {
        return (previous.blank && previous.begin < end) ||
               (before.blank && previous.title && before.begin < end);
    };
    for (Line line; (open >= 0 || lines.at() < end || undecided()) && lines.next(line);) {
        if (const std::optional<Cut> cut = cut_at(facts, before, previous, line)) {
            if (open >= 0) {
                use(open, cut->at);
            }
            open = cut->line < end ? cut->at : -1;
            if (open < 0) {
                return;
            }
        }
        before = previous;
        previous = line;
    }
    if (open >= 0) {
        use(open, facts.size);
    }
}

}  // namespace lrd
