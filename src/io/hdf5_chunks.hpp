// SPDX-License-Identifier: MIT
// Where chunks lie in a file, for readers of many that have checked their checksums once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lrd::h5 {

/// The place in the file of each row of `dataset`, whose chunks are one row each and are stored as
/// they are, but for a checksum behind the values. Empty if they are not.
std::vector<std::uint64_t> row_places(const std::string& path, const std::string& dataset);

}  // namespace lrd::h5
