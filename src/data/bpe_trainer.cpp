// SPDX-License-Identifier: MIT
#include "data/bpe_trainer.hpp"

#include <algorithm>
#include <queue>

#include "core/check.hpp"
#include "data/pretokenizer.hpp"

namespace lrd {

namespace {

constexpr std::int64_t byte_tokens = 256;
constexpr std::int64_t most_tokens = 1 << 24;

using Pair = std::uint64_t;  // left id, right id

Pair pair_of(std::int32_t left, std::int32_t right) {
    return (Pair{static_cast<std::uint32_t>(left)} << 32) | static_cast<std::uint32_t>(right);
}
std::int32_t left_of(Pair pair) { return static_cast<std::int32_t>(pair >> 32); }
std::int32_t right_of(Pair pair) { return static_cast<std::int32_t>(pair & 0xFFFFFFFF); }

struct Word {
    std::vector<std::int32_t> symbols;
    std::int64_t count;
};

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

/// Counts of all pairs, kept up to date word by word as pairs are merged.
class PairCounts {
public:
    PairCounts(std::vector<Word> words, const std::vector<std::string>& tokens)
        : words_(std::move(words)), heap_(Less{&tokens}) {
        for (std::size_t w = 0; w < words_.size(); ++w) {
            count_word(w, 1);
        }
        for (const auto& [pair, entry] : pairs_) {
            heap_.push({entry.count, pair});
        }
        risen_.clear();
    }

    /// The pair to merge next; false if no word has two tokens left.
    bool best(Pair& pair) {
        while (!heap_.empty()) {
            const Candidate top = heap_.top();
            heap_.pop();
            const auto found = pairs_.find(top.pair);
            const std::int64_t count = found == pairs_.end() ? 0 : found->second.count;
            if (count == top.count) {
                pair = top.pair;
                return true;
            }
            if (count > 0 && count < top.count) {  // it sank since; higher counts were pushed anew
                heap_.push({count, top.pair});
            }
        }
        return false;
    }

    /// Replaces `pair` by `merged` in every word that holds it.
    void merge(Pair pair, std::int32_t merged) {
        std::vector<std::uint32_t> places = std::move(pairs_.at(pair).words);
        std::sort(places.begin(), places.end());
        places.erase(std::unique(places.begin(), places.end()), places.end());
        for (const std::uint32_t w : places) {
            count_word(w, -1);
            replace(words_[w].symbols, pair, merged);
            count_word(w, 1);
        }
        pairs_.erase(pair);
        std::sort(risen_.begin(), risen_.end());
        risen_.erase(std::unique(risen_.begin(), risen_.end()), risen_.end());
        for (const Pair touched : risen_) {
            const auto found = pairs_.find(touched);
            if (found != pairs_.end() && found->second.count > 0) {
                heap_.push({found->second.count, touched});
            }
        }
        risen_.clear();
    }

private:
    struct Entry {
        std::int64_t count = 0;
        std::vector<std::uint32_t> words;  // may name words that lost the pair, and twice
    };
    struct Candidate {
        std::int64_t count;
        Pair pair;
    };
    struct Less {
        const std::vector<std::string>* tokens;
        bool operator()(const Candidate& a, const Candidate& b) const {
            if (a.count != b.count) {
                return a.count < b.count;
            }
            const auto bytes = [&](std::int32_t id) -> const std::string& {
                return (*tokens)[static_cast<std::size_t>(id)];
            };
            const int left = bytes(left_of(a.pair)).compare(bytes(left_of(b.pair)));
            return left != 0 ? left < 0
                             : bytes(right_of(a.pair)).compare(bytes(right_of(b.pair))) < 0;
        }
    };

    static void replace(std::vector<std::int32_t>& symbols, Pair pair, std::int32_t merged) {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < symbols.size(); ++i) {
            const bool hit = i + 1 < symbols.size() && pair_of(symbols[i], symbols[i + 1]) == pair;
            symbols[kept++] = hit ? merged : symbols[i];
            i += hit ? 1 : 0;
        }
        symbols.resize(kept);
    }

    void count_word(std::size_t w, std::int64_t sign) {
        const Word& word = words_[w];
        for (std::size_t i = 0; i + 1 < word.symbols.size(); ++i) {
            const Pair pair = pair_of(word.symbols[i], word.symbols[i + 1]);
            Entry& entry = pairs_[pair];
            entry.count += sign * word.count;
            if (sign > 0) {
                const auto index = static_cast<std::uint32_t>(w);
                if (entry.words.empty() || entry.words.back() != index) {
                    entry.words.push_back(index);
                }
                if (risen_.empty() || risen_.back() != pair) {
                    risen_.push_back(pair);
                }
            }
        }
    }

    std::vector<Word> words_;
    std::unordered_map<Pair, Entry> pairs_;
    std::priority_queue<Candidate, std::vector<Candidate>, Less> heap_;
    std::vector<Pair> risen_;  // pairs whose count may have grown
};

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

Tokenizer BpeTrainer::train(std::int64_t vocab_size) const {
    if (vocab_size <= byte_tokens || vocab_size > most_tokens) {
        fail(ExitCode::usage,
             "a vocabulary of {} tokens is not possible: 256 bytes and the end-of-text token make "
             "{} the least, and {} is the most",
             vocab_size, byte_tokens + 1, most_tokens);
    }
    std::vector<std::string> tokens = byte_vocabulary();
    std::int32_t id_of_byte[byte_tokens];
    for (std::size_t id = 0; id < tokens.size(); ++id) {
        id_of_byte[static_cast<unsigned char>(tokens[id][0])] = static_cast<std::int32_t>(id);
    }
    std::vector<Word> words;
    words.reserve(pieces_.size());
    for (const auto& [piece, count] : pieces_) {
        words.push_back({{}, count});
        for (const char c : piece) {
            words.back().symbols.push_back(id_of_byte[static_cast<unsigned char>(c)]);
        }
    }
    tokens.reserve(static_cast<std::size_t>(vocab_size));
    PairCounts counts(std::move(words), tokens);
    std::vector<Merge> merges;
    std::unordered_map<std::string, std::int32_t> ids;
    while (static_cast<std::int64_t>(tokens.size()) < vocab_size - 1) {
        Pair pair = 0;
        if (!counts.best(pair)) {
            fail(ExitCode::usage,
                 "the text gives only {} tokens, not {}: ask for fewer or give more text",
                 tokens.size() + 1, vocab_size);
        }
        std::string bytes = tokens[static_cast<std::size_t>(left_of(pair))] +
                            tokens[static_cast<std::size_t>(right_of(pair))];
        // Two pairs may give the same bytes ("a" + "bc", "ab" + "c"); they share one token.
        const auto [known, fresh] = ids.emplace(bytes, static_cast<std::int32_t>(tokens.size()));
        const std::int32_t merged = known->second;
        if (fresh) {
            tokens.push_back(std::move(bytes));
        }
        merges.push_back({left_of(pair), right_of(pair), merged});
        counts.merge(pair, merged);
    }
    const auto end_of_text = static_cast<std::int32_t>(tokens.size());
    tokens.emplace_back("<|endoftext|>");
    return Tokenizer(std::move(tokens), std::move(merges), end_of_text);
}

}  // namespace lrd
