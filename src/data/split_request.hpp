// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace lrd {

struct SplitRequest {
    std::string name;
    std::string value;  ///< a fraction of the bytes in [0, 1), 0 = no such split; or a file
};

/// A split to be made; the first one of all is "train", what no fraction takes.
struct SplitAim {
    std::string name;
    std::string file;       ///< empty: a fraction
    double fraction = 0.0;  ///< of the bytes of --text
};

/// "train" and what is asked for, checked. Error(usage).
std::vector<SplitAim> split_aims(const std::vector<SplitRequest>& requests);

}  // namespace lrd
