// SPDX-License-Identifier: MIT
// Text files → documents → splits. Nothing is normalised, dropped or reordered: the documents of a
// file, one after the other, are the file. Only invalid UTF-8 becomes U+FFFD, and is counted.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace lrd {

/// How a text file is cut. `automatic`: wikitext where the first non-blank line is a heading, else
/// file; but a single file of which a fraction is asked is cut at blank lines.
enum class DocumentRule { automatic, file, blank_line, wikitext };

DocumentRule document_rule(const std::string& name);  ///< Error(usage) names the possible ones
const char* name_of(DocumentRule rule);               ///< auto, file, blank-line, wikitext

/// The documents of one text. `rule` is not `automatic`.
///  file        the whole text
///  blank_line  cut after every run of blank lines
///  wikitext    cut before every " = Title = " line between two blank lines; the one before belongs
///              to the title, as at the start of WikiText's files
std::vector<std::string_view> cut_documents(std::string_view text, DocumentRule rule);

/// True if the first line that is not blank is " = Title = ".
bool starts_with_heading(std::string_view text);

/// Words between ASCII blanks, and one for each line end, as WikiText and PTB are counted.
std::int64_t count_words(std::string_view text);

struct SplitRequest {
    std::string name;
    std::string value;  ///< a fraction of the bytes in [0, 1), 0 = no such split; or a file
};

struct Split {
    std::string name;
    std::string rule;  ///< the rule its files were cut by; "file+wikitext" if they differ
    std::vector<std::string_view> documents;
    std::int64_t bytes = 0;
};

/// Reads the text files and divides their documents.
class Corpus {
public:
    /// The first split is "train", what no fraction takes; the others in the order of `requests`.
    /// A fraction takes the documents with the smallest hash until its share of the bytes is met,
    /// at least one, and with a document all that equal it. No document is in two splits. Errors:
    /// missing_input; usage (fractions, names, nothing left to train on); bad_data (a document of a
    /// split's file is in another split too, no text).
    Corpus(const std::vector<std::string>& files, DocumentRule rule,
           const std::vector<SplitRequest>& requests);
    Corpus(const Corpus&) = delete;
    Corpus& operator=(const Corpus&) = delete;

    const std::vector<Split>& splits() const { return splits_; }
    std::int64_t replaced() const { return replaced_; }  ///< U+FFFD put in for invalid UTF-8

private:
    Split read_files(const std::string& name, const std::vector<std::string>& files,
                     DocumentRule rule, bool fraction_asked);
    void refuse_shared_documents() const;

    std::deque<std::string> texts_;  // what the documents point into
    std::vector<Split> splits_;
    std::int64_t replaced_ = 0;
};

}  // namespace lrd
