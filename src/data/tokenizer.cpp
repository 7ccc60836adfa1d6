// SPDX-License-Identifier: MIT
#include "data/tokenizer.hpp"

#include <algorithm>
#include <map>

#include "core/check.hpp"
#include "data/pretokenizer.hpp"

namespace lrd {

namespace {

// Natural text repeats its pieces; what is longer than this does not come again.
constexpr std::size_t longest_cached = 64;
constexpr std::size_t most_cached = std::size_t{1} << 18;

// Below this length looking at every pair for every merge beats keeping books.
constexpr std::size_t longest_short = 64;

}  // namespace

Tokenizer::Tokenizer(std::vector<std::string> tokens, std::vector<Merge> merges,
                     std::int32_t end_of_text)
    : tokens_(std::move(tokens)), merges_(std::move(merges)), end_of_text_(end_of_text) {
    std::fill(std::begin(byte_ids_), std::end(byte_ids_), -1);
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
        if (tokens_[id].size() == 1) {
            byte_ids_[static_cast<unsigned char>(tokens_[id][0])] = static_cast<std::int32_t>(id);
        }
    }
    for (int byte = 0; byte < 256; ++byte) {
        LRD_CHECK(byte_ids_[byte] >= 0, "no token for byte {}", byte);
    }
    rules_.reserve(merges_.size());
    for (std::size_t rank = 0; rank < merges_.size(); ++rank) {
        const Merge& merge = merges_[rank];
        rules_.emplace(key(merge.left, merge.right),
                       Rule{static_cast<std::int32_t>(rank), merge.merged});
    }
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
    std::string text;
    for (const std::int32_t id : ids) {
        LRD_CHECK(id >= 0 && id < vocab_size(), "token id {} of {}", id, vocab_size());
        text += bytes_of(id);
    }
    return text;
}

void Encoder::encode(std::string_view text, std::vector<std::int32_t>& ids) {
    for_each_piece(text, [&](std::string_view piece) {
        if (piece.size() > longest_cached) {
            merge_long(piece, ids);
            return;
        }
        const auto found = cache_.find(piece);
        if (found != cache_.end()) {
            ids.insert(ids.end(), found->second.begin(), found->second.end());
            return;
        }
        std::vector<std::int32_t> merged;
        merge_short(piece, merged);
        ids.insert(ids.end(), merged.begin(), merged.end());
        if (cache_.size() < most_cached) {
            cache_.emplace(piece, std::move(merged));
        }
    });
}

void Encoder::merge_short(std::string_view piece, std::vector<std::int32_t>& ids) const {
    static_assert(longest_cached <= longest_short);
    ids.clear();
    for (const char c : piece) {
        ids.push_back(tokenizer_->id_of_byte(static_cast<unsigned char>(c)));
    }
    while (ids.size() > 1) {
        const Tokenizer::Rule* best = nullptr;
        std::size_t at = 0;
        for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
            const Tokenizer::Rule* rule = tokenizer_->rule(ids[i], ids[i + 1]);
            if (rule != nullptr && (best == nullptr || rule->rank < best->rank)) {
                best = rule;
                at = i;
            }
        }
        if (best == nullptr) {
            return;
        }
        ids[at] = best->merged;
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
}

// The same merges in O(n log n): symbols in a linked list, and for each rank the places where its
// pair stood when it was noted; a place whose symbols have changed since is skipped.
void Encoder::merge_long(std::string_view piece, std::vector<std::int32_t>& ids) const {
    struct Symbol {
        std::int32_t id;  // -1: swallowed by the symbol before it
        std::int32_t next, previous;
    };
    struct Candidates {
        std::int32_t left, right, merged;
        std::vector<std::int32_t> places;
    };
    LRD_CHECK(piece.size() < INT32_MAX, "a piece of {} bytes", piece.size());
    const auto n = static_cast<std::int32_t>(piece.size());
    std::vector<Symbol> symbols(piece.size());
    const auto symbol = [&](std::int32_t i) -> Symbol& {
        return symbols[static_cast<std::size_t>(i)];
    };
    std::map<std::int32_t, Candidates> by_rank;
    const auto note = [&](std::int32_t i) {
        if (i < 0 || symbol(i).next < 0) {
            return;
        }
        const std::int32_t left = symbol(i).id;
        const std::int32_t right = symbol(symbol(i).next).id;
        if (const Tokenizer::Rule* rule = tokenizer_->rule(left, right)) {
            const auto fresh = Candidates{left, right, rule->merged, {}};
            by_rank.try_emplace(rule->rank, fresh).first->second.places.push_back(i);
        }
    };
    for (std::int32_t i = 0; i < n; ++i) {
        const auto byte = static_cast<unsigned char>(piece[static_cast<std::size_t>(i)]);
        symbol(i) = {tokenizer_->id_of_byte(byte), i + 1 < n ? i + 1 : -1, i - 1};
    }
    for (std::int32_t i = 0; i < n; ++i) {
        note(i);
    }
    while (!by_rank.empty()) {
        Candidates best = std::move(by_rank.extract(by_rank.begin()).mapped());
        std::sort(best.places.begin(), best.places.end());
        for (const std::int32_t i : best.places) {
            Symbol& here = symbol(i);
            if (here.id != best.left || here.next < 0 || symbol(here.next).id != best.right) {
                continue;
            }
            Symbol& swallowed = symbol(here.next);
            here.id = best.merged;
            here.next = swallowed.next;
            swallowed.id = -1;
            if (here.next >= 0) {
                symbol(here.next).previous = i;
            }
            note(here.previous);
            note(i);
        }
    }
    for (std::int32_t i = 0; i >= 0; i = symbol(i).next) {
        ids.push_back(symbol(i).id);
    }
}

}  // namespace lrd
