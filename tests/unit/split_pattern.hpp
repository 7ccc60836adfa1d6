// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lrd::test {

/// The pieces that PCRE2 finds with GPT-2's pattern as it stands: the reference of the scanner.
std::vector<std::string> pieces_by_pattern(std::string_view text);

}  // namespace lrd::test
