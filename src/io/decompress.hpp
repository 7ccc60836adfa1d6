// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace lrd {

enum class Compression { none, gzip, zstd };

/// Told by the first bytes of a file, not by its name.
Compression compression_of(const std::string& path);

/// Calls use(block) for what a compressed file holds, in order. Files that were put behind each
/// other are read as one. Error(bad_data) if it is damaged or ends too early.
void decompress(const std::string& path, Compression compression,
                const std::function<void(std::string_view)>& use);

}  // namespace lrd
