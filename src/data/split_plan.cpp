// SPDX-License-Identifier: MIT
#include "data/split_plan.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

#include "core/check.hpp"
#include "data/divider.hpp"

namespace lrd {

namespace {

// A corpus has about 64 shards, so that many can work at it; they are not tiny, and not larger than
// what is pleasant to copy.
constexpr std::int64_t aimed_shards = 64;
constexpr std::int64_t smallest_shard = std::int64_t{512} << 10;  // bytes of text
constexpr std::int64_t largest_shard = std::int64_t{256} << 20;

/// Writes the list of each split and marks the borders of its shards.
class Lists {
public:
    Lists(const std::string& dir, std::size_t splits, std::int64_t shard_bytes)
        : shard_bytes_(shard_bytes), shards_(splits) {
        plan_.splits.resize(splits);
        for (std::size_t s = 0; s < splits; ++s) {
            files_.push_back(std::make_unique<DocumentList>(
                SplitPlan::list_path(dir, static_cast<std::int64_t>(s))));
        }
    }
    void skip(std::size_t split) { ++plan_.splits[split].duplicates; }
    void add(std::size_t split, const Document& document) {
        std::vector<ShardPlan>& shards = shards_[split];
        if (shards.empty() || shards.back().sizes.bytes >= shard_bytes_) {
            ShardPlan next;
            next.split = static_cast<std::int64_t>(split);
            next.shard = std::ssize(shards);
            next.first = files_[split]->size();
            shards.push_back(next);
        }
        files_[split]->add(document);
        ++shards.back().documents;
        shards.back().sizes += document.sizes;
        ++plan_.splits[split].documents;
        plan_.splits[split].sizes += document.sizes;
    }
    SplitPlan finish() {
        for (std::vector<ShardPlan>& shards : shards_) {
            for (ShardPlan& shard : shards) {
                shard.shards = std::ssize(shards);
                plan_.shards.push_back(shard);
            }
        }
        for (const auto& file : files_) {
            file->close();
        }
        return std::move(plan_);
    }

private:
    std::int64_t shard_bytes_;
    std::vector<std::unique_ptr<DocumentList>> files_;
    std::vector<std::vector<ShardPlan>> shards_;
    SplitPlan plan_;
};

/// The split whose files hold the documents of `split`: itself, or --text for a fraction.
std::int64_t files_of(const std::vector<SplitAim>& aims, std::int64_t split) {
    return aims[static_cast<std::size_t>(split)].file.empty() ? 0 : split;
}

void check_none_empty(const SplitPlan& plan, const std::vector<SplitAim>& aims,
                      const std::vector<TextSource>& sources, std::int64_t documents) {
    for (std::size_t s = 0; s < aims.size(); ++s) {
        if (plan.splits[s].documents > 0) {
            continue;
        }
        const auto split = static_cast<std::int64_t>(s);
        const std::string* file = nullptr;
        bool has_text = false;
        for (const TextSource& source : sources) {
            if (source.split == files_of(aims, split)) {
                file = file == nullptr ? &source.name : file;
                has_text = has_text || source.facts.size > 0;
            }
        }
        if (!has_text) {
            fail(ExitCode::bad_data, "{}: the file is empty; split {} needs text", *file,
                 aims[s].name);
        }
        fail(ExitCode::usage,
             "the text has {} documents (rule {}), too few for train and split {}: give more text, "
             "or cut it finer with --documents blank-line",
             documents, rule_of(aims, sources, 0), s == 0 ? aims.back().name : aims[s].name);
    }
}

}  // namespace

std::string SplitPlan::list_path(const std::string& dir, std::int64_t split) {
    return fmt::format("{}/split-{}", dir, split);
}

std::string SplitPlan::to_bytes() const {
    const auto bytes_of = [](const auto& items) {
        return std::string(reinterpret_cast<const char*>(items.data()),
                           items.size() * sizeof(items[0]));
    };
    return bytes_of(splits) + bytes_of(shards);
}

SplitPlan SplitPlan::from_bytes(const std::string& bytes, std::size_t splits) {
    SplitPlan plan;
    plan.splits.resize(splits);
    const std::size_t head = splits * sizeof(SplitTotal);
    plan.shards.resize((bytes.size() - head) / sizeof(ShardPlan));
    std::memcpy(plan.splits.data(), bytes.data(), head);
    std::memcpy(plan.shards.data(), bytes.data() + head, bytes.size() - head);
    return plan;
}

std::string rule_of(const std::vector<SplitAim>& aims, const std::vector<TextSource>& sources,
                    std::int64_t split) {
    const std::int64_t from = files_of(aims, split);
    std::set<std::string> used;
    for (const TextSource& source : sources) {
        if (source.split == from) {
            used.insert(name_of(source.facts.rule));
        }
    }
    std::string rule;
    for (const std::string& one : used) {
        rule += (rule.empty() ? "" : "+") + one;
    }
    return rule;
}

SplitPlan plan_splits(const std::vector<SplitAim>& aims, const std::vector<TextSource>& sources,
                      const ScannedDocuments& documents, bool dedup, DocumentReader& reader,
                      const std::string& dir) {
    const Divider divider(aims, sources, documents, dedup, reader, dir);
    std::int64_t bytes = 0;
    documents.for_each([&](const Document& document) { bytes += document.sizes.bytes; });
    Lists lists(dir, aims.size(), std::clamp(bytes / aimed_shards, smallest_shard, largest_shard));
    std::int64_t index = 0;
    documents.for_each([&](const Document& document) {
        const std::size_t split = divider.split_of(document);
        divider.is_dropped(index++) ? lists.skip(split) : lists.add(split, document);
    });
    SplitPlan plan = lists.finish();
    check_none_empty(plan, aims, sources, documents.size());
    return plan;
}

}  // namespace lrd
