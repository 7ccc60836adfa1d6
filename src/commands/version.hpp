// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace lrd {

std::string code_version();  ///< "0.1.0+abc1234": the version and the commit it was built from
std::string version_text();  ///< with compiler and libraries, a line each

}  // namespace lrd
