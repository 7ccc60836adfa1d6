// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizer.hpp"

namespace lrd {

/// Learns byte-pair merges (Sennrich et al. 2016, on bytes): again and again the pair of
/// neighbouring tokens with the highest count becomes a token; of equal counts the one whose byte
/// strings (left, then right) are greatest.
class BpeTrainer {
public:
    /// Counts the pieces of `text` (valid UTF-8; one call per document).
    void add(std::string_view text);
    /// Adds what another one has counted: of a thread, or of a rank.
    void add_counts(std::string_view piece, std::int64_t count) {
        pieces_[std::string(piece)] += count;
    }
    template <class Visit>  // void(std::string_view piece, std::int64_t count), in any order
    void for_each_piece(const Visit& visit) const {
        for (const auto& [piece, count] : pieces_) {
            visit(std::string_view(piece), count);
        }
    }

    /// Throws Error(usage) for a vocabulary that no text can give.
    static void check_size(std::int64_t vocab_size);
    /// A tokenizer of `vocab_size` ids: 256 bytes in GPT-2's order, the merges, end-of-text last.
    /// Throws Error(usage) if that is below 257 or more than the text can give.
    Tokenizer train(std::int64_t vocab_size) const;

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view s) const {
            return std::hash<std::string_view>{}(s);
        }
    };
    std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> pieces_;
};

}  // namespace lrd
