// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/token_files.hpp"

namespace lrd {

/// B windows of the same length T, valid until the next call.
struct EvalBatch {
    std::int64_t window = 0;  // number of the first one
    std::int64_t B = 0, T = 0;
    std::span<const std::int32_t> ids;     // (B·T)
    std::span<const std::int32_t> labels;  // (B·T); below 0: an earlier window has scored it
    std::span<const std::int64_t> first;   // (B): the place of each window's first id in the split
};

/// The split as one stream in which every token but the first is a target, scored once. Window k
/// starts at kS (S: stride) and scores its last S targets, the first window all of its own. The
/// last window may be short: then it is a batch of its own, nothing is padded.
class EvalWindows {
public:
    /// At most `sequences` windows to a batch; stride 0 is `context`, windows side by side.
    /// `tokens` outlives this. Errors: usage.
    EvalWindows(const TokenFiles& tokens, std::int64_t context, std::int64_t stride,
                std::int64_t sequences);

    std::int64_t windows() const { return full_ + (short_ > 0 ? 1 : 0); }
    std::int64_t targets() const { return tokens_->n_tokens() - 1; }
    std::int64_t batches() const;
    EvalBatch batch(std::int64_t i);

private:
    const TokenFiles* tokens_;
    std::int64_t context_, stride_, sequences_;
    std::int64_t full_;   // windows of T ids
    std::int64_t short_;  // ids of the last window if it has fewer, else 0
    std::vector<std::int32_t> window_, ids_, labels_;
    std::vector<std::int64_t> first_;
};

}  // namespace lrd
