// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace lrd {

/// A hidden folder beside an output folder, in which the output is made: `.lrd-NAME`. Its owner holds
/// a lock that ends with the process, so what a killed one left behind is removed by the next.
class WorkFolder {
public:
    /// `out` may end with a slash. Error(busy) if another process makes the same output now;
    /// Error(io) if it could not be put in place at the end (a mount point, a link to nowhere).
    explicit WorkFolder(const std::string& out);
    ~WorkFolder();  ///< removes it
    WorkFolder(const WorkFolder&) = delete;
    WorkFolder& operator=(const WorkFolder&) = delete;

    /// Where `out` is: absolute, links followed, without a trailing slash, which would make the
    /// folder its own parent.
    static std::string place_of(const std::string& out);
    /// Removes what a killed process left beside `out`.
    static void remove_stale(const std::string& out);

    const std::string& path() const { return path_; }
    std::string result() const { return path_ + "/result"; }    ///< becomes the output folder
    std::string scratch() const { return path_ + "/scratch"; }  ///< never visible
    /// Puts result(), whose files are already fsynced, in the place of the output folder.
    void publish();

private:
    void lock();

    std::string out_, path_;
    int lock_ = -1;
};

}  // namespace lrd
