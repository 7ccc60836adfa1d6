// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace lrd {

/// A folder under a hidden name beside the final one, removed unless it was published.
class HiddenFolder {
public:
    /// Makes it. `out` may end with a slash.
    explicit HiddenFolder(const std::string& out);
    ~HiddenFolder();
    HiddenFolder(const HiddenFolder&) = delete;
    HiddenFolder& operator=(const HiddenFolder&) = delete;

    const std::string& path() const { return path_; }
    /// Gives it the final name, in place of a folder that is there. Its files are already fsynced.
    void publish();

private:
    std::string beside(const char* what) const;

    std::string out_, path_;
};

}  // namespace lrd
