// SPDX-License-Identifier: MIT
#include "train/stop.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <limits>
#include <vector>

#include "core/check.hpp"
#include "core/log.hpp"
#include "train/process.hpp"

namespace lrd {
namespace {

constexpr std::array<int, 3> caught = {SIGUSR1, SIGTERM, SIGINT};
volatile std::sig_atomic_t g_signal = 0;

void on_signal(int signal) {
    if (g_signal != 0) {
        _exit(128 + signal);
    }
    g_signal = signal;
}

const char* name_of_signal(int signal) {
    return signal == SIGUSR1 ? "SIGUSR1" : signal == SIGTERM ? "SIGTERM" : "SIGINT";
}

/// A whole number at the front of `text`, which it is taken from.
bool take_number(std::string& text, double& number) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
    if (result.ec != std::errc{} || number < 0.0) {
        return false;
    }
    text.erase(0, static_cast<std::size_t>(result.ptr - text.data()));
    return true;
}

}  // namespace

double parse_duration(const std::string& text) {
    const auto bad = [&] {
        fail(ExitCode::usage, "run.max_time = \"{}\" is no duration; write 90, 90s, 15m, 2h or 1:30:00", text);
    };
    std::string rest = text;
    double seconds = 0.0;
    double number = 0.0;
    if (!take_number(rest, number)) {
        bad();
    }
    if (rest.empty() || rest == "s") {
        return number;
    }
    if (rest == "m" || rest == "h") {
        return number * (rest == "m" ? 60.0 : 3600.0);
    }
    seconds = number;
    int parts = 1;
    while (!rest.empty()) {
        if (rest.front() != ':' || ++parts > 3) {
            bad();
        }
        rest.erase(0, 1);
        if (!take_number(rest, number) || number >= 60.0) {
            bad();
        }
        seconds = seconds * 60.0 + number;
    }
    return seconds;  // "1:30" is a minute and a half, as Slurm reads it
}

StopConditions::StopConditions(std::string run_directory, const std::string& max_time)
    : run_(std::move(run_directory)),
      deadline_(max_time.empty() ? std::numeric_limits<double>::infinity()
                                 : process_start() + parse_duration(max_time)) {
    g_signal = 0;
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    for (const int signal : caught) {
        sigaction(signal, &action, nullptr);
    }
}

StopConditions::~StopConditions() {
    for (const int signal : caught) {
        std::signal(signal, SIG_DFL);
    }
}

bool StopConditions::take_file(const std::string& name) const {
    std::error_code ignored;
    return std::filesystem::remove(run_ + "/" + name, ignored);
}

StopDecision StopConditions::poll(Communicator& world) {
    // Room for the step that runs now and a save twice as slow as the slowest so far.
    const double margin = 2.0 * slowest_save_ + slowest_step_;
    enum { signal_slot, time_slot, stop_slot, checkpoint_slot, slots };
    std::array<double, slots> seen{};
    seen[signal_slot] = static_cast<double>(g_signal);
    seen[time_slot] = log::now() + margin >= deadline_ ? 1.0 : 0.0;
    if (world.rank() == 0) {
        seen[stop_slot] = take_file("STOP") ? 1.0 : 0.0;
        seen[checkpoint_slot] = take_file("CHECKPOINT_NOW") ? 1.0 : 0.0;
    }
    world.all_reduce_max(seen);
    StopDecision decision;
    decision.checkpoint = seen[checkpoint_slot] > 0.0;
    if (seen[signal_slot] > 0.0) {
        decision.reason = name_of_signal(static_cast<int>(seen[signal_slot]));
    } else if (seen[stop_slot] > 0.0) {
        decision.reason = "file STOP";
    } else if (seen[time_slot] > 0.0) {
        decision.reason = "max_time";
    }
    decision.stop = !decision.reason.empty();
    return decision;
}

}  // namespace lrd
