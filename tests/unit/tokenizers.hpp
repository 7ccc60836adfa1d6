// SPDX-License-Identifier: MIT
// What the tests of the tokenizer share.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "data/bpe_trainer.hpp"
#include "data/tokenizer.hpp"

namespace lrd::test {

using Ids = std::vector<std::int32_t>;

inline Ids encode(const Tokenizer& tokenizer, std::string_view text) {
    Ids ids;
    Encoder(tokenizer).encode(text, ids);
    return ids;
}

inline Tokenizer trained(std::string_view text, std::int64_t vocab_size) {
    BpeTrainer trainer;
    trainer.add(text);
    return trainer.train(vocab_size);
}

/// A path below $LRD_DATA, or "" where that is unset: the test skips.
inline std::string shared_data(const std::string& name) {
    const char* dir = std::getenv("LRD_DATA");
    return dir == nullptr ? "" : std::string(dir) + "/" + name;
}

}  // namespace lrd::test
