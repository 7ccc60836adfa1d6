// SPDX-License-Identifier: MIT
#include "data/tokenizer.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace lrd {

Tokenizer::Tokenizer(std::vector<std::string> tokens, std::vector<Merge> merges,
                     std::int32_t end_of_text)
    : tokens_(std::move(tokens)),
      merges_(std::move(merges)),
      end_of_text_(end_of_text),
      ranks_(merges_) {
    std::fill(std::begin(byte_ids_), std::end(byte_ids_), -1);
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
        if (tokens_[id].size() == 1) {
            byte_ids_[static_cast<unsigned char>(tokens_[id][0])] = static_cast<std::int32_t>(id);
        }
    }
    for (int byte = 0; byte < 256; ++byte) {
        LRD_CHECK(byte_ids_[byte] >= 0, "no token for byte {}", byte);
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

}  // namespace lrd
