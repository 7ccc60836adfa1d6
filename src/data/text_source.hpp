// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/document_rule.hpp"
#include "data/text_meter.hpp"

namespace lrd {

/// A file of text.
struct TextSource {
    std::string name;        ///< as the user gave it
    std::string path;        ///< where its plain text lies: the same, or what it was expanded to
    std::int64_t split = 0;  ///< whose documents it holds; 0: those that fractions divide
    FileFacts facts;         ///< of the plain text
    FileStamp stamp;         ///< of the file `name`
    std::string hash;        ///< of the bytes of the file `name`
};

/// A document: where it lies, what is in it, and a hash of its text.
struct Document {
    Hash128 hash;
    std::int64_t source = 0;  ///< index of its file
    std::int64_t begin = 0, end = 0;
    TextSizes sizes;
};

/// Reads documents as valid UTF-8, in blocks. One object per thread.
class DocumentReader {
public:
    /// Longest line of a jsonl file: it has to be read as a whole.
    static constexpr std::int64_t longest_json = std::int64_t{16} << 20;

    using UseBlock = std::function<void(std::string_view block, bool last)>;

    DocumentReader(const std::vector<TextSource>& sources, std::string json_key);

    ByteReader& file(std::int64_t source);
    /// Calls `use` at least once. Returns the number of places where U+FFFD was put in. Errors of
    /// jsonl: bad_data with file:line.
    std::int64_t read(std::int64_t source, std::int64_t begin, std::int64_t end,
                      const UseBlock& use);
    std::string place_of(std::int64_t source, std::int64_t offset);  ///< file:line, for errors
    /// Reads it and measures it.
    Document measure(std::int64_t source, std::int64_t begin, std::int64_t end);

private:
    std::int64_t read_json(std::int64_t source, std::int64_t begin, std::int64_t end,
                           const UseBlock& use);
    const std::vector<TextSource>* sources_;
    std::string json_key_;
    TextMeter meter_;
    std::unique_ptr<ByteReader> file_;
    std::int64_t open_ = -1;  // the source of file_
};

/// Calls use(part) for parts of a document that can be pretokenized one by one: their pieces are
/// those of the whole. Parts are about 1 MiB, longer where a single piece is. Error(bad_data) for a
/// piece of more than 4 MiB.
std::int64_t read_in_parts(DocumentReader& reader, const Document& document,
                           const std::function<void(std::string_view)>& use);

}  // namespace lrd
