// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "data/batch_source.hpp"
#include "data/token_files.hpp"

namespace lrd {

struct LoaderSettings {
    std::int64_t context = 1024;
    bool shuffle = true;
    std::int64_t seed = 1;
    std::int64_t limit_tokens =
        0;                       ///< only the first documents, of at most so many tokens; 0 = all
    bool document_mask = false;  ///< say where documents begin, score no first token of one
};

/// Training windows of a split: window w holds the tokens [wT, wT + T], neighbours share one.
/// Sample s is window s mod W of epoch s / W, and each epoch has an order of its own. There is no
/// state besides buffers: what a rank reads depends on global sample numbers alone, so any number
/// of ranks and a resumed run see the same. Windows may hold several documents and parts of some.
class Loader : public BatchSource {
public:
    /// `tokens` outlives this. Error(usage) if there is not one window, or nothing to score.
    Loader(const TokenFiles& tokens, const LoaderSettings& settings);

    std::int64_t windows() const { return windows_; }   ///< W = ⌊(n − 1) / T⌋
    std::int64_t window_of(std::int64_t sample) const;  ///< in [0, W)
    std::int64_t context() const override { return settings_.context; }
    Batch sample(std::int64_t first, std::int64_t count) override;
    RowCounts counts(std::int64_t first, std::int64_t count) override;

private:
    std::int64_t limited() const;
    void mask(std::int64_t window, std::int64_t at);

    const TokenFiles* tokens_;
    LoaderSettings settings_;
    std::int64_t windows_;
    std::vector<std::int64_t> offsets_;  // of documents and their end; only with a document mask
    std::vector<std::int32_t> window_, ids_, labels_, starts_;
    std::vector<std::int64_t> windows_of_batch_;
};

}  // namespace lrd
