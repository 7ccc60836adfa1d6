// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "data/document_list.hpp"
#include "data/split_request.hpp"

namespace lrd {

/// A shard to be written: documents of its split, one after the other. It depends on the text
/// alone, so any thread of any rank may write it, and nothing has to be gathered.
struct ShardPlan {
    std::int64_t split = 0;  ///< index in the list of splits
    std::int64_t shard = 0, shards = 0;
    std::int64_t first = 0;  ///< document of its split's list
    std::int64_t documents = 0;
    TextSizes sizes;
};

struct SplitTotal {
    std::int64_t documents = 0;
    std::int64_t duplicates = 0;  ///< left out with --dedup
    TextSizes sizes;
};

struct SplitPlan {
    std::vector<SplitTotal> splits;  // as the aims
    std::vector<ShardPlan> shards;

    static std::string list_path(const std::string& dir, std::int64_t split);
    std::string to_bytes() const;
    static SplitPlan from_bytes(const std::string& bytes, std::size_t splits);
};

/// Divides the documents into splits, whose lists it writes into `dir`, and these into shards.
///
/// A split of a file has the documents of that file. A fraction takes the documents with the
/// smallest hash until its share of the bytes is met, at least one; so it is an interval of hashes,
/// equal texts come to the same split, and the order of the files does not matter. No document is
/// in two splits. With `dedup`, of equal documents one is kept: that of a split's own file, then
/// the first. Errors: usage (a split without documents), bad_data (a document of a split's file is
/// in another split).
SplitPlan plan_splits(const std::vector<SplitAim>& aims, const std::vector<TextSource>& sources,
                      const ScannedDocuments& documents, bool dedup, DocumentReader& reader,
                      const std::string& dir);

/// The rule by which the files with the documents of a split were cut; "file+wikitext" if they
/// differ.
std::string rule_of(const std::vector<SplitAim>& aims, const std::vector<TextSource>& sources,
                    std::int64_t split);

}  // namespace lrd
