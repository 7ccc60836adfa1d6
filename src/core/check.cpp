// SPDX-License-Identifier: MIT
#include "core/check.hpp"

#include <string_view>

namespace lrd {

void fail_check(const char* condition, const char* file, int line, const std::string& detail) {
    std::string_view path{file};
    if (const auto at = path.rfind("/src/"); at != std::string_view::npos) {
        path.remove_prefix(at + 1);
    }
    fail(ExitCode::internal, "{}:{}: check `{}` failed: {}", path, line, condition, detail);
}

}  // namespace lrd
