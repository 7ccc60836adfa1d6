// SPDX-License-Identifier: MIT
#include "data/bpe_trainer.hpp"

#include "core/check.hpp"
#include "data/pair_counts.hpp"
#include "data/pretokenizer.hpp"

namespace lrd {

namespace {

constexpr std::int64_t byte_tokens = 256;
constexpr std::int64_t most_tokens = 1 << 24;

/// GPT-2's order of the byte tokens: printable ones first (bytes_to_unicode() in its encoder.py).
std::vector<std::string> byte_vocabulary() {
    std::vector<std::string> tokens;
    for (const bool printable : {true, false}) {
        for (int byte = 0; byte < byte_tokens; ++byte) {
            if (((byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173)) == printable) {
                tokens.emplace_back(1, static_cast<char>(byte));
            }
        }
    }
    return tokens;
}

}  // namespace

void BpeTrainer::add(std::string_view text) {
    lrd::for_each_piece(text, [&](std::string_view piece) {
        const auto found = pieces_.find(piece);
        if (found != pieces_.end()) {
            ++found->second;
        } else {
            pieces_.emplace(piece, 1);
        }
    });
}

void BpeTrainer::check_size(std::int64_t vocab_size) {
    if (vocab_size <= byte_tokens || vocab_size > most_tokens) {
        fail(ExitCode::usage,
             "a vocabulary of {} tokens is not possible: 256 bytes and the end-of-text token make "
             "{} the least, and {} is the most",
             vocab_size, byte_tokens + 1, most_tokens);
    }
}

Tokenizer BpeTrainer::train(std::int64_t vocab_size) const {
    check_size(vocab_size);
    std::vector<std::string> tokens = byte_vocabulary();
    std::int32_t id_of_byte[byte_tokens];
    for (std::size_t id = 0; id < tokens.size(); ++id) {
        id_of_byte[static_cast<unsigned char>(tokens[id][0])] = static_cast<std::int32_t>(id);
    }
    PairCounts counts(tokens);
    for (const auto& [piece, count] : pieces_) {
        counts.add(piece, count, id_of_byte);
    }
    std::vector<Merge> merges;
    std::unordered_map<std::string, std::int32_t> ids;
    while (static_cast<std::int64_t>(tokens.size()) < vocab_size - 1) {
        PairCounts::Pair pair{};
        if (!counts.best(pair)) {
            fail(ExitCode::usage,
                 "the text gives only {} tokens, not {}: ask for fewer or give more text",
                 tokens.size() + 1, vocab_size);
        }
        std::string bytes = tokens[static_cast<std::size_t>(pair.left)] +
                            tokens[static_cast<std::size_t>(pair.right)];
        // Two pairs may give the same bytes ("a" + "bc", "ab" + "c"); they share one token.
        const auto [known, fresh] = ids.emplace(bytes, static_cast<std::int32_t>(tokens.size()));
        const std::int32_t merged = known->second;
        if (fresh) {
            tokens.push_back(std::move(bytes));
        }
        merges.push_back({pair.left, pair.right, merged});
        counts.merge(pair, merged);
    }
    const auto end_of_text = static_cast<std::int32_t>(tokens.size());
    tokens.emplace_back("<|endoftext|>");
    return Tokenizer(std::move(tokens), std::move(merges), end_of_text);
}

}  // namespace lrd
