// SPDX-License-Identifier: MIT
#include "data/hash_order.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>

namespace lrd {

namespace {

constexpr std::int64_t bucket_documents = std::int64_t{1} << 16;
constexpr std::size_t most_buckets = 512;  // they are all open while they are written

}  // namespace

HashOrder::HashOrder(const std::string& dir, std::int64_t documents) {
    std::size_t buckets = 2;
    shift_ = 63;
    while (buckets < most_buckets &&
           static_cast<std::int64_t>(buckets) * bucket_documents < documents) {
        buckets *= 2;
        --shift_;
    }
    for (std::size_t b = 0; b < buckets; ++b) {
        paths_.push_back(fmt::format("{}/hashes-{}", dir, b));
        files_.push_back(std::make_unique<ByteWriter>(paths_.back()));
    }
}

void HashOrder::add(const Entry& entry) {
    files_[static_cast<std::size_t>(entry.document.hash.high >> shift_)]->add(&entry, sizeof entry);
}

void HashOrder::close() {
    for (const auto& file : files_) {
        file->close();
    }
    files_.clear();
}

void HashOrder::for_each(std::size_t bucket, const std::function<void(const Entry&)>& use) const {
    ByteReader file(paths_[bucket]);
    Entry entry;
    for (std::int64_t at = 0; at < file.size(); at += static_cast<std::int64_t>(sizeof entry)) {
        const std::string_view bytes = file.at(at);
        bytes.copy(reinterpret_cast<char*>(&entry), sizeof entry);
        use(entry);
    }
}

void HashOrder::walk(const std::function<bool(const Entry&)>& counts,
                     const std::function<void(const Group&)>& on_group,
                     const std::function<void(const Entry&, const Group&)>& on_entry) const {
    for (std::size_t b = 0; b < paths_.size(); ++b) {
        std::map<Hash128, Group> groups;
        for_each(b, [&](const Entry& entry) {
            const auto [at, fresh] = groups.try_emplace(entry.document.hash, Group{entry});
            Group& group = at->second;
            group.bytes += counts(entry) ? entry.document.sizes.bytes : 0;
            if (group.kept.owner != entry.owner) {
                group.other_owner = std::max(group.kept.owner, entry.owner);
            }
            if (std::pair(entry.owner, entry.index) <
                std::pair(group.kept.owner, group.kept.index)) {
                group.kept = entry;
            }
        });
        for (const auto& [hash, group] : groups) {
            on_group(group);
        }
        if (on_entry) {
            for_each(b,
                     [&](const Entry& entry) { on_entry(entry, groups.at(entry.document.hash)); });
        }
    }
}

}  // namespace lrd
