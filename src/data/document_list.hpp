// SPDX-License-Identifier: MIT
// Lists of documents on disk, in the scratch folder of one `prepare`: there may be more of them than
// fit in memory.
#pragma once

#include <functional>
#include <string>

#include "data/text_source.hpp"

namespace lrd {

class DocumentList {
public:
    explicit DocumentList(const std::string& path) : file_(path) {}
    void add(const Document& document) { file_.add(&document, sizeof document); }
    std::int64_t size() const { return file_.size() / static_cast<std::int64_t>(sizeof(Document)); }
    void close() { file_.close(); }

private:
    ByteWriter file_;
};

/// Calls `use` for `count` documents of a list from the `first` on.
void for_each_document(const std::string& path, std::int64_t first, std::int64_t count,
                       const std::function<void(const Document&)>& use);

/// A run of documents in a list of several writers.
struct ListPart {
    std::int64_t unit = 0;  ///< parts are read in this order
    std::int64_t rank = 0, thread = 0;
    std::int64_t first = 0, count = 0;
};

/// The documents of all parts, in the order of their units.
struct ScannedDocuments {
    std::string dir;
    std::vector<ListPart> parts;  // sorted

    static std::string list_path(const std::string& dir, std::int64_t rank, std::int64_t thread);
    std::int64_t size() const;
    void for_each(const std::function<void(const Document&)>& use) const;
};

}  // namespace lrd
