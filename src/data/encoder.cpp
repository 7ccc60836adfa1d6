// SPDX-License-Identifier: MIT
// openai/gpt-2, encoder.py, bpe(): of all pairs in a piece, the one of the lowest rank is merged at
// all its places from left to right, and again, until no pair has a rank.
#include <algorithm>
#include <array>
#include <queue>

#include "core/check.hpp"
#include "data/pretokenizer.hpp"
#include "data/tokenizer.hpp"

namespace lrd {

namespace {

// Below this length looking at every pair for every merge beats keeping books.
constexpr std::size_t longest_short = 128;

}  // namespace

void Encoder::encode(std::string_view text, std::vector<std::int32_t>& ids) {
    for_each_piece(text, [&](std::string_view piece) {
        if (piece.size() > longest_short) {
            merge_long(piece, ids);
        } else if (piece.size() > PieceCache::longest) {
            merge_short(piece, ids);
        } else if (const auto known = cache_.find(piece); !known.empty()) {
            ids.insert(ids.end(), known.begin(), known.end());
        } else {
            const std::size_t before = ids.size();
            merge_short(piece, ids);
            const auto merged = std::span<const std::int32_t>(ids).subspan(before);
            if (merged.size() <= PieceCache::most_ids) {
                cache_.insert(piece, merged);
            }
        }
    });
}

void Encoder::merge_short(std::string_view piece, std::vector<std::int32_t>& ids) const {
    std::array<std::int32_t, longest_short> symbols;
    std::array<std::int32_t, longest_short> ranks;  // [i]: of the pair (i, i + 1)
    std::size_t size = piece.size();
    for (std::size_t i = 0; i < size; ++i) {
        symbols[i] = tokenizer_->id_of_byte(static_cast<unsigned char>(piece[i]));
    }
    for (std::size_t i = 0; i + 1 < size; ++i) {
        ranks[i] = tokenizer_->rank(symbols[i], symbols[i + 1]);
    }
    for (;;) {
        ranks[size - 1] = MergeRanks::none;
        const std::int32_t best = *std::min_element(ranks.begin(), ranks.begin() + size);
        if (best == MergeRanks::none) {
            break;
        }
        const std::int32_t merged = tokenizer_->merge(best).merged;
        std::size_t kept = 0;
        bool changed = false;  // the symbol before
        for (std::size_t i = 0; i < size; ++kept) {
            const bool hit = ranks[i] == best;
            symbols[kept] = hit ? merged : symbols[i];
            ranks[kept] = ranks[i];
            if (kept > 0 && (hit || changed)) {
                ranks[kept - 1] = tokenizer_->rank(symbols[kept - 1], symbols[kept]);
            }
            changed = hit;
            i += hit ? 2 : 1;
        }
        size = kept;
    }
    ids.insert(ids.end(), symbols.begin(), symbols.begin() + size);
}

// The same in O(n log n): symbols in a linked list, and a heap of the places of all pairs. A place
// whose symbols have changed since it was noted is skipped.
void Encoder::merge_long(std::string_view piece, std::vector<std::int32_t>& ids) const {
    struct Symbol {
        std::int32_t id;  // -1: swallowed by the symbol before it
        std::int32_t previous, next;
    };
    struct Place {
        std::int32_t rank, at;
        auto operator<=>(const Place&) const = default;
    };
    LRD_CHECK(piece.size() < INT32_MAX, "a piece of {} bytes", piece.size());
    const auto size = static_cast<std::int32_t>(piece.size());
    std::vector<Symbol> list(piece.size());
    const auto symbol = [&](std::int32_t at) -> Symbol& {
        return list[static_cast<std::size_t>(at)];
    };
    for (std::int32_t i = 0; i < size; ++i) {
        const auto byte = static_cast<unsigned char>(piece[static_cast<std::size_t>(i)]);
        symbol(i) = {tokenizer_->id_of_byte(byte), i - 1, i + 1 < size ? i + 1 : -1};
    }
    std::priority_queue<Place, std::vector<Place>, std::greater<>> heap;
    const auto note = [&](std::int32_t at) {
        if (at >= 0 && symbol(at).next >= 0) {
            const auto rank = tokenizer_->rank(symbol(at).id, symbol(symbol(at).next).id);
            if (rank != MergeRanks::none) {
                heap.push({rank, at});
            }
        }
    };
    for (std::int32_t i = 0; i < size; ++i) {
        note(i);
    }
    std::vector<std::int32_t> places;
    while (!heap.empty()) {
        const std::int32_t rank = heap.top().rank;
        const Merge& merge = tokenizer_->merge(rank);
        places.clear();
        for (; !heap.empty() && heap.top().rank == rank; heap.pop()) {
            places.push_back(heap.top().at);
        }
        for (const std::int32_t at : places) {
            Symbol& here = symbol(at);
            if (here.id != merge.left || here.next < 0 || symbol(here.next).id != merge.right) {
                continue;
            }
            Symbol& swallowed = symbol(here.next);
            here.id = merge.merged;
            here.next = swallowed.next;
            swallowed.id = -1;
            if (here.next >= 0) {
                symbol(here.next).previous = at;
            }
            note(here.previous);
            note(at);
        }
    }
    for (std::int32_t at = 0; at >= 0; at = symbol(at).next) {
        ids.push_back(symbol(at).id);
    }
}

}  // namespace lrd
