// SPDX-License-Identifier: MIT
#include "train/stop.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <limits>

#include "config/duration.hpp"
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

}  // namespace

StopConditions::StopConditions(std::string run_directory, const std::string& max_time)
    : run_(std::move(run_directory)), deadline_(std::numeric_limits<double>::infinity()) {
    if (!max_time.empty()) {
        const double seconds = parse_duration(max_time);
        deadline_ = process_start() + seconds;
        end_of_job_ = std::min(60.0, 0.05 * seconds);
    }
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
    // Room for one more step, a save twice as slow as the slowest so far, and the end of the job:
    // a minute, or less where the whole time is short.
    const double margin = 2.0 * slowest_save_ + slowest_step_ + end_of_job_;
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
