// SPDX-License-Identifier: MIT
// GPT-2's byte-level BPE: 256 byte tokens, tokens made by merging two others, and the end-of-text
// token, which no text encodes to and which ends every document.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/merge_ranks.hpp"
#include "data/piece_cache.hpp"

namespace lrd {

class Tokenizer {
public:
    /// `tokens`: the bytes of each id; `merges`: in order of rank. The caller has checked them.
    Tokenizer(std::vector<std::string> tokens, std::vector<Merge> merges, std::int32_t end_of_text);

    static bool is_in(const std::filesystem::path& dir);
    /// Reads DIR/vocab.json and DIR/merges.txt in GPT-2's text form, the same under OpenAI's names
    /// (encoder.json and vocab.bpe), or Hugging Face's tokenizer.json. Throws Error(missing_input)
    /// or Error(bad_data): the 256 bytes and the end-of-text token (of any id) must be there, ids
    /// dense from 0, merges of known tokens, nothing twice.
    static Tokenizer load(const std::filesystem::path& dir);
    /// Writes vocab.json and merges.txt into `dir`, which exists; same tokenizer, same bytes.
    void save(const std::filesystem::path& dir) const;

    std::int32_t vocab_size() const { return static_cast<std::int32_t>(tokens_.size()); }
    std::int32_t end_of_text() const { return end_of_text_; }
    /// SHA-256 in hex of vocab.json followed by merges.txt, as save() writes them.
    std::string sha256() const;

    std::string decode(std::span<const std::int32_t> ids) const;  ///< ids in [0, V)
    const std::string& bytes_of(std::int32_t id) const {
        return tokens_[static_cast<std::size_t>(id)];
    }
    std::int32_t id_of_byte(unsigned char byte) const { return byte_ids_[byte]; }
    /// The place of (left, right) in the merges, of which the first is applied first, or
    /// MergeRanks::none.
    std::int32_t rank(std::int32_t left, std::int32_t right) const { return ranks_(left, right); }
    const Merge& merge(std::int32_t rank) const { return merges_[static_cast<std::size_t>(rank)]; }

private:
    std::string vocab_text() const;
    std::string merges_text() const;

    std::vector<std::string> tokens_;
    std::vector<Merge> merges_;
    std::int32_t end_of_text_;
    std::int32_t byte_ids_[256];
    MergeRanks ranks_;
};

/// Encodes text. One object per thread: it keeps the ids of pieces it has met, in 4 MiB.
class Encoder {
public:
    explicit Encoder(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

    /// Appends the ids of `text` (valid UTF-8) to `ids`.
    void encode(std::string_view text, std::vector<std::int32_t>& ids);

private:
    void merge_short(std::string_view piece, std::vector<std::int32_t>& ids) const;
    void merge_long(std::string_view piece, std::vector<std::int32_t>& ids) const;

    const Tokenizer* tokenizer_;
    PieceCache cache_;
};

}  // namespace lrd
