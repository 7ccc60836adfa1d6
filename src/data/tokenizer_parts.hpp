// SPDX-License-Identifier: MIT
// What the readers of a tokenizer's files share. GPT-2's text form: every byte is one printable
// character, so that tokens are words without blanks.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/check.hpp"
#include "data/tokenizer.hpp"
#include "io/json.hpp"

namespace lrd::tokenizer_parts {

constexpr const char* end_of_text_name = "<|endoftext|>";

std::string to_text(const std::string& bytes);  ///< into GPT-2's text form

using Ids = std::unordered_map<std::string, std::int32_t>;

/// Merges in order of rank, each checked against the vocabulary and the ones before it.
class Merges {
public:
    Merges(const Ids& ids, std::string vocab_name)
        : ids_(ids), vocab_name_(std::move(vocab_name)) {}

    /// `rule`: two tokens with a blank between; `place`: where it stands, for errors.
    void add(std::string_view rule, const std::string& place);
    const std::vector<Merge>& all() const { return merges_; }

private:
    const Ids& ids_;
    std::string vocab_name_;
    std::vector<Merge> merges_;
    std::unordered_map<std::uint64_t, std::string> place_of_;
};

/// A tokenizer from its two halves, whichever files they stand in: an object of tokens and ids, and
/// what `read` adds. Error(bad_data), naming the file.
Tokenizer assemble(const Json& vocab, const std::string& vocab_path, const std::string& vocab_name,
                   const std::string& merges_path, const std::function<void(Merges&)>& read);

/// Hugging Face's tokenizer.json, as transformers 5 writes it. Error(bad_data).
Tokenizer load_one_file(const std::string& path);

}  // namespace lrd::tokenizer_parts
