// SPDX-License-Identifier: MIT
#include "data/eval_windows.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace lrd {

EvalWindows::EvalWindows(const TokenFiles& tokens, std::int64_t context, std::int64_t stride,
                         std::int64_t sequences)
    : tokens_(&tokens),
      context_(context),
      stride_(stride == 0 ? context : stride),
      sequences_(sequences) {
    LRD_CHECK(sequences >= 1, "batches of {} windows", sequences);
    if (context < 1 || stride_ < 1 || stride_ > context) {
        fail(ExitCode::usage, "--stride {} with a context of {}: expected 1 to the context", stride,
             context);
    }
    const std::int64_t n = targets();
    if (n < 1) {
        fail(ExitCode::usage, "{}: split {} has {} token, and scoring needs 2; prepare more text",
             tokens.directory(), tokens.header().split, n + 1);
    }
    full_ = n < context ? 0 : 1 + (n - context) / stride_;
    // Full windows score the first (full − 1)·S + T targets; what is left, fewer than S, needs one
    // more window, which starts at full·S like any other.
    const std::int64_t scored = full_ == 0 ? 0 : (full_ - 1) * stride_ + context;
    short_ = scored < n ? n - full_ * stride_ : 0;
    window_.resize(static_cast<std::size_t>(context) + 1);
    ids_.resize(static_cast<std::size_t>(sequences * context));
    labels_.resize(ids_.size());
    first_.resize(static_cast<std::size_t>(sequences));
}

std::int64_t EvalWindows::batches() const {
    return (full_ + sequences_ - 1) / sequences_ + (short_ > 0 ? 1 : 0);
}

EvalBatch EvalWindows::batch(std::int64_t i) {
    LRD_CHECK(i >= 0 && i < batches(), "batch {} of {}", i, batches());
    const std::int64_t begin = std::min(i * sequences_, full_);
    const bool is_short = begin == full_;
    const std::int64_t B = is_short ? 1 : std::min(sequences_, full_ - begin);
    const std::int64_t T = is_short ? short_ : context_;
    for (std::int64_t b = 0; b < B; ++b) {
        const std::int64_t k = begin + b;
        const std::int64_t seen = k == 0 ? 0 : context_ - stride_;  // targets scored before
        const std::int64_t first = k * stride_;
        tokens_->read(first, {window_.data(), static_cast<std::size_t>(T) + 1});
        std::copy_n(window_.begin(), T, ids_.begin() + b * T);
        std::fill_n(labels_.begin() + b * T, seen, -1);
        std::copy_n(window_.begin() + 1 + seen, T - seen, labels_.begin() + b * T + seen);
        first_[static_cast<std::size_t>(b)] = first;
    }
    const auto size = static_cast<std::size_t>(B * T);
    return {begin,
            B,
            T,
            {ids_.data(), size},
            {labels_.data(), size},
            {first_.data(), static_cast<std::size_t>(B)}};
}

}  // namespace lrd
