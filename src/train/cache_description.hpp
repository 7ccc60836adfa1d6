// SPDX-License-Identifier: MIT
// cache.json: what a cache holds and what it is valid for.
#pragma once

#include <string>
#include <vector>

#include "io/json.hpp"
#include "train/open_teacher_cache.hpp"
#include "train/teacher_cache.hpp"

namespace lrd {

constexpr std::int64_t cache_version = 1;

/// A new cache for these needs.
Json describe_cache(const CacheNeeds& needs);

// ---- of the cache that is there
/// Error(bad_data), naming what differs, unless it has what the run needs.
void check_same(const std::string& folder, const Json& found, const Json& wanted,
                const CacheNeeds& needs);
/// All that it holds, which may be more than the run needs.
CacheLayout layout_of(const Json& found, const CacheNeeds& needs, const std::string& origin);
std::vector<double> taus_of(const Json& found);

}  // namespace lrd
