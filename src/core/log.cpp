// SPDX-License-Identifier: MIT
#include "core/log.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace lrd::log {
namespace {

int g_rank = 0;

void put(const std::string& line) {
    // One write per line, so that lines of several ranks do not mix.
    const std::string whole = line + "\n";
    std::fwrite(whole.data(), 1, whole.size(), stderr);
    std::fflush(stderr);
}

constexpr double bar_interval = 0.2;
constexpr double line_interval = 30.0;

// mpirun puts a pipe between the ranks and the terminal; a script that knows of one says so.
bool draws_bars() {
    const char* asked = std::getenv("LRD_PROGRESS");
    return asked != nullptr ? std::string_view(asked) == "bar" : isatty(2) != 0;
}

}  // namespace

void set_rank(int rank) { g_rank = rank; }

void write_info(const std::string& line) {
    if (g_rank == 0) {
        put(line);
    }
}

void write_warning(const std::string& line) {
    put(g_rank == 0 ? "lrd: warning: " + line
                    : fmt::format("lrd: warning (rank {}): {}", g_rank, line));
}

double now() {
    using namespace std::chrono;
    return duration_cast<std::chrono::duration<double>>(steady_clock::now().time_since_epoch())
        .count();
}

std::string duration(double seconds) {
    if (seconds < 60.0) {
        return fmt::format("{:.1f} s", std::max(seconds, 0.0));
    }
    const auto s = static_cast<long>(seconds + 0.5);
    return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                    : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

Progress::Progress(std::string what, double total)
    : what_(std::move(what)),
      total_(total),
      start_(now()),
      last_(start_),
      terminal_(draws_bars()) {}

Progress::~Progress() {
    if (drawn_) {
        std::fputc('\n', stderr);
    }
}

void Progress::update(double done, const std::string& note) {
    if (g_rank != 0) {
        return;
    }
    if (first_done_ < 0.0) {
        first_done_ = done;
    }
    const double interval = terminal_ ? bar_interval : line_interval;
    const double time = now();
    if (time - last_ < interval && !(terminal_ && done >= total_)) {
        return;
    }
    last_ = time;
    print(done, note);
}

void Progress::print(double done, const std::string& note) {
    const double share = total_ > 0.0 ? std::clamp(done / total_, 0.0, 1.0) : 1.0;
    const double fresh = done - first_done_;
    const std::string left =
        fresh > 0.0 ? duration((total_ - done) * (last_ - start_) / fresh) + " left" : "starting";
    if (!terminal_) {
        put(fmt::format("{}: {:.0f} % ({}){}{}", what_, 100.0 * share, left,
                        note.empty() ? "" : ", ", note));
        return;
    }
    constexpr int width = 30;
    const int filled = static_cast<int>(share * width);
    fmt::print(stderr, "\r\x1b[K{} [{}{}] {:3.0f} % {} {}", what_,
               std::string(static_cast<std::size_t>(filled), '#'),
               std::string(static_cast<std::size_t>(width - filled), '.'), 100.0 * share, left,
               note);
    std::fflush(stderr);
    drawn_ = true;
}

}  // namespace lrd::log
