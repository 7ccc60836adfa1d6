// SPDX-License-Identifier: MIT
// Where documents begin and end. Nothing is normalised, dropped or reordered: the documents of a
// file, one after the other, are the file (but for jsonl, whose documents are strings in its lines).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "io/byte_file.hpp"

namespace lrd {

/// `automatic`: wikitext where the first non-blank line is a title, else file; but a single file of
/// which a fraction is asked is cut at blank lines.
///  file        the whole text
///  blank_line  cut after every run of blank lines
///  wikitext    cut before every " = Title = " line between two blank lines; the one before belongs
///              to the title, as at the start of WikiText's files
///  jsonl       a member of the JSON object in each line; blank lines are none
enum class DocumentRule { automatic, file, blank_line, wikitext, jsonl };

DocumentRule document_rule(const std::string& name);  ///< Error(usage) names the possible ones
const char* name_of(DocumentRule rule);               ///< auto, file, blank-line, wikitext, jsonl

/// What one look at a file tells, so that any part of it can be cut without the parts before.
struct FileFacts {
    DocumentRule rule = DocumentRule::file;
    std::int64_t size = 0;
    std::int64_t first_text = 0;   ///< begin of the first line that is not blank; size if none
    std::int64_t first_title = 0;  ///< begin of the document of the first title; size if none
};
/// `single_fraction`: whether a fraction is asked of this file and there is no other.
FileFacts look_at(ByteReader& file, DocumentRule rule, bool single_fraction);

/// Bytes [begin, end) of a file hold one document.
using UseDocument = std::function<void(std::int64_t begin, std::int64_t end)>;

/// Calls `use` for the documents that belong to the part [begin, end) of the file, in order: over
/// adjoining parts these are all documents, each once. A document may end behind its part.
void find_documents(ByteReader& file, const FileFacts& facts, std::int64_t begin, std::int64_t end,
                    const UseDocument& use);

}  // namespace lrd
