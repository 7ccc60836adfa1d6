// SPDX-License-Identifier: MIT
#include "data/loader.hpp"

#include <algorithm>
#include <array>

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
    if (settings.document_mask && settings.context == 1) {
        fail(ExitCode::usage,
             "data.document_mask with data.context = 1: no token would see another; lengthen "
             "data.context");
    }
    const std::int64_t n = limited();
    windows_ = (n - 1) / settings.context;
    if (windows_ < 1) {
        fail(ExitCode::usage,
             "{}: split {} has {} tokens to train on, but one window of context {} needs {}: "
             "shorten data.context, raise data.limit_tokens or prepare more text",
             tokens.directory(), tokens.header().split, n, settings.context, settings.context + 1);
    }
    window_.resize(static_cast<std::size_t>(settings.context) + 1);
    if (settings.document_mask) {
        offsets_ = tokens.document_offsets();
    }
}

/// How many tokens are used: of all documents, or of the first that stay within the limit.
std::int64_t Loader::limited() const {
    const std::int64_t limit = settings_.limit_tokens;
    if (limit == 0 || limit >= tokens_->n_tokens()) {
        return tokens_->n_tokens();
    }
    const std::vector<std::int64_t> offsets = tokens_->document_offsets();
    const std::int64_t end = *(std::upper_bound(offsets.begin(), offsets.end(), limit) - 1);
    if (end == 0) {
        fail(ExitCode::usage,
             "data.limit_tokens = {}: whole documents are taken, and the first of split {} in {} "
             "has {} tokens; raise it",
             limit, tokens_->header().split, tokens_->directory(), offsets[1]);
    }
    return end;
}

std::int64_t Loader::window_of(std::int64_t sample) const {
    LRD_CHECK(sample >= 0, "sample {}", sample);
    const std::int64_t epoch = sample / windows_;
    const std::int64_t place = sample % windows_;
    if (!settings_.shuffle) {
        return place;
    }
    std::array<char, 40> name{};  // not a string: nothing is allocated in a step
    const auto end = fmt::format_to_n(name.data(), name.size(), "shuffle epoch {}", epoch).out;
    const Random random(static_cast<std::uint64_t>(settings_.seed),
                        {name.data(), static_cast<std::size_t>(end - name.data())});
    return static_cast<std::int64_t>(
        permute(random, static_cast<std::uint64_t>(windows_), static_cast<std::uint64_t>(place)));
}

Batch Loader::sample(std::int64_t first, std::int64_t count) {
    const std::int64_t T = settings_.context;
    const auto size = static_cast<std::size_t>(count * T);
    if (ids_.size() < size) {  // only for the first batch of this size
        ids_.resize(size);
        labels_.resize(size);
        starts_.resize(settings_.document_mask ? size : 0);
    }
    windows_of_batch_.resize(static_cast<std::size_t>(count));
    for (std::int64_t b = 0; b < count; ++b) {
        const std::int64_t window = window_of(first + b);
        windows_of_batch_[static_cast<std::size_t>(b)] = window;
        tokens_->read(window * T, window_);
        std::copy_n(window_.begin(), T, ids_.begin() + b * T);
        std::copy_n(window_.begin() + 1, T, labels_.begin() + b * T);
        if (settings_.document_mask) {
            mask(window, b * T);
        }
    }
    const std::size_t masked = settings_.document_mask ? size : 0;
    return {count,
            T,
            {ids_.data(), size},
            {labels_.data(), size},
            windows_of_batch_,
            {starts_.data(), masked}};
}

/// Of one window, whose rows are from `at`: 0 for the piece of a document that it cuts at its left.
void Loader::mask(std::int64_t window, std::int64_t at) {
    const std::int64_t T = settings_.context;
    const std::int64_t base = window * T;
    auto next = std::upper_bound(offsets_.begin(), offsets_.end(), base);  // document after `start`
    std::int64_t start = 0;
    for (std::int64_t t = 0; t < T; ++t) {
        if (next != offsets_.end() && *next == base + t) {
            start = t;
            ++next;
        }
        starts_[static_cast<std::size_t>(at + t)] = static_cast<std::int32_t>(start);
        if (next != offsets_.end() && *next == base + t + 1) {
            labels_[static_cast<std::size_t>(at + t)] = -1;
        }
    }
}

RowCounts Loader::counts(std::int64_t first, std::int64_t count) {
    RowCounts all = BatchSource::counts(first, count);
    for (std::int64_t b = 0; settings_.document_mask && b < count; ++b) {
        const std::int64_t base = window_of(first + b) * settings_.context;
        const auto begin = std::upper_bound(offsets_.begin(), offsets_.end(), base);
        const auto last = std::lower_bound(begin, offsets_.end(), base + settings_.context);
        all.firsts += last - begin;
        const bool at_end = last != offsets_.end() && *last == base + settings_.context;
        all.targets -= last - begin + (at_end ? 1 : 0);
    }
    return all;
}

}  // namespace lrd
