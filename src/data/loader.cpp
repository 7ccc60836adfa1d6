// SPDX-License-Identifier: MIT
#include "data/loader.hpp"

#include <algorithm>

#include "core/check.hpp"
#include "core/random.hpp"

namespace lrd {

Loader::Loader(const TokenFiles& tokens, const LoaderSettings& settings)
    : tokens_(&tokens), settings_(settings) {
    if (settings.context < 1) {
        fail(ExitCode::usage, "data.context = {}: expected at least 1 token", settings.context);
    }
    if (settings.limit_tokens < 0) {
        fail(ExitCode::usage, "data.limit_tokens = {}: expected 0 (all) or a number of tokens",
             settings.limit_tokens);
    }
    const std::int64_t n = settings.limit_tokens == 0
                               ? tokens.n_tokens()
                               : std::min(settings.limit_tokens, tokens.n_tokens());
    windows_ = (n - 1) / settings.context;
    if (windows_ < 1) {
        fail(ExitCode::usage,
             "{}: split {} has {} tokens to train on, but one window of context {} needs {}: "
             "shorten data.context, raise data.limit_tokens or prepare more text",
             tokens.directory(), tokens.header().split, n, settings.context, settings.context + 1);
    }
    window_.resize(static_cast<std::size_t>(settings.context) + 1);
}

std::int64_t Loader::window_of(std::int64_t sample) const {
    LRD_CHECK(sample >= 0, "sample {}", sample);
    const std::int64_t epoch = sample / windows_;
    const std::int64_t place = sample % windows_;
    if (!settings_.shuffle) {
        return place;
    }
    const Random random(static_cast<std::uint64_t>(settings_.seed),
                        fmt::format("shuffle epoch {}", epoch));
    return static_cast<std::int64_t>(
        permute(random, static_cast<std::uint64_t>(windows_), static_cast<std::uint64_t>(place)));
}

Batch Loader::sample(std::int64_t first, std::int64_t count) {
    const std::int64_t T = settings_.context;
    const auto size = static_cast<std::size_t>(count * T);
    if (ids_.size() < size) {  // only for the first batch of this size
        ids_.resize(size);
        labels_.resize(size);
    }
    windows_of_batch_.resize(static_cast<std::size_t>(count));
    for (std::int64_t b = 0; b < count; ++b) {
        const std::int64_t window = window_of(first + b);
        windows_of_batch_[static_cast<std::size_t>(b)] = window;
        tokens_->read(window * T, window_);
        std::copy_n(window_.begin(), T, ids_.begin() + b * T);
        std::copy_n(window_.begin() + 1, T, labels_.begin() + b * T);
    }
    return {count, T, {ids_.data(), size}, {labels_.data(), size}, windows_of_batch_};
}

}  // namespace lrd
