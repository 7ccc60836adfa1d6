// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lrd {

/// Distinct pieces as sequences of tokens, and how often each pair of neighbours stands in the text
/// they come from. A merge costs as much as its places, however long the pieces are.
class PairCounts {
public:
    struct Pair {
        std::int32_t left, right;
        bool operator==(const Pair&) const = default;
    };

    /// `tokens`: the bytes of each id; the caller appends what it merges.
    explicit PairCounts(const std::vector<std::string>& tokens)
        : tokens_(&tokens), heap_(Less{&tokens}) {}

    /// Adds a piece that stands `count` times in the text, byte by byte. Before the first best().
    void add(std::string_view piece, std::int64_t count, const std::int32_t (&id_of_byte)[256]);

    /// The pair of the highest count, of equals the one with the greatest bytes (left, then right);
    /// false if no piece has two tokens left.
    bool best(Pair& pair);

    /// Replaces `pair`, the last best(), by the token `merged` at all its places.
    void merge(Pair pair, std::int32_t merged);

private:
    struct Entry {
        std::int64_t count = 0;
        std::vector<std::uint32_t> places;  // of its left token; may name places it has left
        bool risen = false;                 // and listed in risen_
    };
    struct Candidate {
        std::int64_t count;
        Pair pair;
    };
    struct Less {
        const std::vector<std::string>* tokens;
        bool operator()(const Candidate& a, const Candidate& b) const;
    };
    struct Hash {
        std::size_t operator()(Pair pair) const {
            const std::uint64_t both =
                (std::uint64_t{static_cast<std::uint32_t>(pair.left)} << 32) |
                static_cast<std::uint32_t>(pair.right);
            return (both * 0x9E3779B97F4A7C15) >> 20;
        }
    };

    std::size_t size_of(std::int32_t id) const {
        return (*tokens_)[static_cast<std::size_t>(id)].size();
    }
    void rise(Pair pair, std::size_t place, std::int64_t count);
    void fall(Pair pair, std::int64_t count);
    void push_risen();

    const std::vector<std::string>* tokens_;
    // One slot per byte of all pieces, and a border before and behind each. A token's id stands at
    // its first and its last byte, so both neighbours of a place are found by their lengths.
    std::vector<std::int32_t> ids_;
    std::vector<std::uint32_t> piece_of_;  // [slot]
    std::vector<std::int64_t> piece_counts_;
    std::unordered_map<Pair, Entry, Hash> pairs_;
    std::priority_queue<Candidate, std::vector<Candidate>, Less> heap_;
    std::vector<Pair> risen_;  // pairs whose count has grown since they were pushed
};

}  // namespace lrd
