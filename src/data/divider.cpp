// SPDX-License-Identifier: MIT
#include "data/divider.hpp"

#include <algorithm>

#include "core/check.hpp"
#include "data/utf8.hpp"

namespace lrd {

namespace {

std::string first_words(DocumentReader& reader, const Document& document) {
    std::string start;
    reader.read(document.source, document.begin, document.end, [&](std::string_view block, bool) {
        if (start.size() < 400) {
            start += block.substr(0, 400);
        }
    });
    start.erase(0, std::min(start.find_first_not_of(" \t\n\v\f\r"), start.size()));
    start = start.substr(0, std::min<std::size_t>(start.find('\n'), 40));
    replace_invalid_utf8(start);  // the cut may have split a character
    return start;
}

}  // namespace

Divider::Divider(const std::vector<SplitAim>& aims, const std::vector<TextSource>& sources,
                 const ScannedDocuments& documents, bool dedup, DocumentReader& reader,
                 const std::string& dir)
    : aims_(&aims), sources_(&sources), last_hash_(aims.size()), met_(aims.size(), false) {
    const bool files = std::any_of(aims.begin(), aims.end(),
                                   [](const SplitAim& aim) { return !aim.file.empty(); });
    const bool fractions = std::any_of(aims.begin(), aims.end(),
                                       [](const SplitAim& aim) { return aim.fraction > 0.0; });
    if (!files && !dedup && !fractions) {
        return;
    }
    HashOrder order(dir, documents.size());
    std::int64_t index = 0;
    documents.for_each([&](const Document& document) {
        order.add({document, index++, owner_of(document)});
    });
    order.close();
    if (files || dedup) {
        drop_equals(order, documents.size(), dedup, reader);
    }
    if (fractions) {
        divide(order, pool_bytes(documents));
    }
}

std::int64_t Divider::pool_bytes(const ScannedDocuments& documents) const {
    std::int64_t bytes = 0;
    std::int64_t index = 0;
    documents.for_each([&](const Document& document) {
        const bool dropped = is_dropped(index++);
        bytes += source_split(document) == 0 && !dropped ? document.sizes.bytes : 0;
    });
    return bytes;
}

void Divider::drop_equals(const HashOrder& order, std::int64_t count, bool dedup,
                          DocumentReader& reader) {
    const auto refuse_shared = [&](const HashOrder::Group& group) {
        if (group.other_owner >= 0 && !dedup) {
            fail(ExitCode::bad_data,
                 "the document that starts with \"{}\" is in split {} and in split {}: take it out "
                 "of "
                 "one of the files, or let --dedup do it, so that no split has seen another",
                 first_words(reader, group.kept.document), name_of(group.kept.owner),
                 name_of(group.other_owner));
        }
    };
    dropped_.assign(static_cast<std::size_t>(count), false);
    order.walk([](const HashOrder::Entry&) { return false; }, refuse_shared,
               [&](const HashOrder::Entry& entry, const HashOrder::Group& group) {
                   dropped_[static_cast<std::size_t>(entry.index)] =
                       dedup && entry.index != group.kept.index;
               });
}

void Divider::divide(const HashOrder& order, std::int64_t bytes) {
    std::vector<std::size_t> fractions;
    for (std::size_t s = 1; s < aims_->size(); ++s) {
        if ((*aims_)[s].file.empty()) {
            fractions.push_back(s);
        }
    }
    auto now = fractions.begin();
    std::int64_t taken = 0;
    const auto in_pool = [&](const HashOrder::Entry& entry) {
        return source_split(entry.document) == 0 && !is_dropped(entry.index);
    };
    const auto take = [&](const HashOrder::Group& group) {
        if (now == fractions.end() || group.kept.owner != pool_owner()) {
            return;
        }
        taken += group.bytes;
        last_hash_[*now] = group.kept.document.hash;
        met_[*now] = true;
        if (static_cast<double>(taken) >= (*aims_)[*now].fraction * static_cast<double>(bytes)) {
            ++now;
            taken = 0;
        }
    };
    order.walk(in_pool, take, nullptr);
}

std::size_t Divider::split_of(const Document& document) const {
    const std::int64_t split = source_split(document);
    for (std::size_t s = 1; split == 0 && s < aims_->size(); ++s) {
        if (met_[s] && document.hash <= last_hash_[s]) {
            return s;
        }
    }
    return static_cast<std::size_t>(split);
}

}  // namespace lrd
