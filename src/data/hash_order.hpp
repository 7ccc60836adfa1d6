// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/document_list.hpp"

namespace lrd {

/// Documents in the order of their hash, with those of equal text together, however many there are:
/// they are divided by their hash into files on disk, of which one at a time is in memory.
class HashOrder {
public:
    struct Entry {
        Document document;
        std::int64_t index = 0;  ///< place among all documents
        std::int64_t owner = 0;  ///< of equal ones the lowest owner's is kept, its first
    };
    struct Group {  ///< of equal documents
        Entry kept;
        std::int64_t other_owner = -1;  ///< a second owner of this text, if there is one
        std::int64_t bytes = 0;         ///< of all that `counts` holds for
    };

    HashOrder(const std::string& dir, std::int64_t documents);
    void add(const Entry& entry);
    void close();

    /// on_group in ascending order of hashes; on_entry for each document of that part afterwards.
    void walk(const std::function<bool(const Entry&)>& counts,
              const std::function<void(const Group&)>& on_group,
              const std::function<void(const Entry&, const Group&)>& on_entry) const;

private:
    void for_each(std::size_t bucket, const std::function<void(const Entry&)>& use) const;

    std::vector<std::string> paths_;
    std::vector<std::unique_ptr<ByteWriter>> files_;
    int shift_ = 64;
};

}  // namespace lrd
