// SPDX-License-Identifier: MIT
// Lines for people, all on stderr: stdout belongs to results.
#pragma once

#include <fmt/core.h>

#include <string>

namespace lrd::log {

/// Called once after MPI is up; only rank 0 prints `info`, warnings of other ranks name their rank.
void set_rank(int rank);
void write_info(const std::string& line);
void write_warning(const std::string& line);

template <class... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
    write_info(fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> text, Args&&... args) {
    write_warning(fmt::format(text, std::forward<Args>(args)...));
}

/// A bar on a terminal or with LRD_PROGRESS=bar, otherwise whole lines at most every 30 s. Rank 0 only.
class Progress {
public:
    Progress(std::string what, double total);
    ~Progress();
    void update(double done, const std::string& note = {});

private:
    void print(double done, const std::string& note);

    std::string what_;
    double total_, start_, last_;
    double first_done_ = -1.0;
    bool terminal_, drawn_ = false;
};

double now();                          ///< seconds on the monotonic clock
std::string duration(double seconds);  ///< "1:02:03" or "4.2 s"

}  // namespace lrd::log
