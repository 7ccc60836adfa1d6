// SPDX-License-Identifier: MIT
#include "data/pair_counts.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace lrd {

namespace {

constexpr std::int32_t border = -1;
constexpr std::int32_t inside = -2;  // a token

}  // namespace

bool PairCounts::Less::operator()(const Candidate& a, const Candidate& b) const {
    if (a.count != b.count) {
        return a.count < b.count;
    }
    const auto bytes = [&](std::int32_t id) -> const std::string& {
        return (*tokens)[static_cast<std::size_t>(id)];
    };
    const int left = bytes(a.pair.left).compare(bytes(b.pair.left));
    return left != 0 ? left < 0 : bytes(a.pair.right).compare(bytes(b.pair.right)) < 0;
}

void PairCounts::add(std::string_view piece, std::int64_t count,
                     const std::int32_t (&id_of_byte)[256]) {
    const auto index = static_cast<std::uint32_t>(piece_counts_.size());
    piece_counts_.push_back(count);
    if (ids_.empty()) {
        ids_.push_back(border);
    }
    for (const char byte : piece) {
        ids_.push_back(id_of_byte[static_cast<unsigned char>(byte)]);
    }
    ids_.push_back(border);
    piece_of_.resize(ids_.size(), index);
    LRD_CHECK(ids_.size() <= UINT32_MAX, "{} bytes of distinct pieces", ids_.size());
    for (std::size_t at = ids_.size() - piece.size() - 1; at + 2 < ids_.size(); ++at) {
        rise({ids_[at], ids_[at + 1]}, at, count);
    }
}

void PairCounts::rise(Pair pair, std::size_t place, std::int64_t count) {
    Entry& entry = pairs_[pair];
    entry.count += count;
    entry.places.push_back(static_cast<std::uint32_t>(place));
    if (!entry.risen) {
        entry.risen = true;
        risen_.push_back(pair);
    }
}

void PairCounts::fall(Pair pair, std::int64_t count) {
    const auto found = pairs_.find(pair);
    found->second.count -= count;
    if (found->second.count == 0) {
        pairs_.erase(found);
    }
}

void PairCounts::push_risen() {
    for (const Pair pair : risen_) {
        const auto found = pairs_.find(pair);
        if (found != pairs_.end()) {
            found->second.risen = false;
            heap_.push({found->second.count, pair});
        }
    }
    risen_.clear();
}

bool PairCounts::best(Pair& pair) {
    push_risen();
    while (!heap_.empty()) {
        const Candidate top = heap_.top();
        heap_.pop();
        const auto found = pairs_.find(top.pair);
        const std::int64_t count = found == pairs_.end() ? 0 : found->second.count;
        if (count > 0 && count == top.count) {
            pair = top.pair;
            return true;
        }
        if (count > 0 && count < top.count) {  // it sank since; higher counts were pushed anew
            heap_.push({count, top.pair});
        }
    }
    return false;
}

void PairCounts::merge(Pair pair, std::int32_t merged) {
    std::vector<std::uint32_t> places = std::move(pairs_.at(pair).places);
    std::sort(places.begin(), places.end());
    const std::size_t left_size = size_of(pair.left);
    const std::size_t size = left_size + size_of(pair.right);
    for (const std::size_t at : places) {
        const std::size_t middle = at + left_size;
        if (ids_[at] != pair.left || ids_[middle] != pair.right) {
            continue;
        }
        const std::int64_t count = piece_counts_[piece_of_[at]];
        const std::int32_t before = ids_[at - 1];
        const std::int32_t after = ids_[at + size];
        ids_[middle - 1] = ids_[middle] = inside;
        ids_[at] = ids_[at + size - 1] = merged;
        if (before != border) {
            fall({before, pair.left}, count);
            rise({before, merged}, at - size_of(before), count);
        }
        if (after != border) {
            fall({pair.right, after}, count);
            rise({merged, after}, at, count);
        }
    }
    pairs_.erase(pair);
}

}  // namespace lrd
