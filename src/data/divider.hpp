// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "data/hash_order.hpp"
#include "data/split_request.hpp"

namespace lrd {

/// Which documents are left out, and to which split each other one belongs (split_plan.hpp says by
/// which rules).
class Divider {
public:
    /// `dir` is for what does not fit in memory. Error(bad_data): a text is in two splits.
    Divider(const std::vector<SplitAim>& aims, const std::vector<TextSource>& sources,
            const ScannedDocuments& documents, bool dedup, DocumentReader& reader,
            const std::string& dir);

    bool is_dropped(std::int64_t index) const {
        return !dropped_.empty() && dropped_[static_cast<std::size_t>(index)];
    }
    std::size_t split_of(const Document& document) const;

private:
    void drop_equals(const HashOrder& order, std::int64_t count, bool dedup,
                     DocumentReader& reader);
    void divide(const HashOrder& order, std::int64_t bytes);
    std::int64_t pool_bytes(const ScannedDocuments& documents) const;

    /// The split whose file holds the document; 0: --text, the pool that fractions divide.
    std::int64_t source_split(const Document& document) const {
        return (*sources_)[static_cast<std::size_t>(document.source)].split;
    }
    /// Of equal documents the lowest owner's is kept: the splits' own files come before --text.
    std::int64_t owner_of(const Document& document) const {
        const std::int64_t split = source_split(document);
        return split == 0 ? pool_owner() : split;
    }
    std::int64_t pool_owner() const { return std::ssize(*aims_); }
    const std::string& name_of(std::int64_t owner) const {
        return (*aims_)[static_cast<std::size_t>(owner) % aims_->size()].name;
    }

    const std::vector<SplitAim>* aims_;
    const std::vector<TextSource>* sources_;
    std::vector<bool> dropped_;       // by index; empty: none
    std::vector<Hash128> last_hash_;  // of a fraction's documents
    std::vector<bool> met_;           // the fraction has documents
};

}  // namespace lrd
