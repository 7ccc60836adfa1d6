// SPDX-License-Identifier: MIT
// Seconds spent in the phases of a step. Everything that a step does is in one of them, so their
// sum is the step.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "core/log.hpp"
#include "core/profile.hpp"
#include "kernels/backend.hpp"

namespace lrd {

enum class Phase : int { load, materialise, teacher, forward, losses, backward, reduce, update };
constexpr std::array<const char*, 8> phase_names = {"load",   "materialise", "teacher", "forward",
                                                    "losses", "backward",    "reduce",  "update"};

class Phases {
public:
    /// Runs `work` and books its time; with `wait` the device is waited for, so that the time is
    /// the work's and not the queue's.
    template <class Work>
    void time(Phase phase, Backend& backend, Work&& work) {
        const double start = log::now();
        std::forward<Work>(work)();
        if (wait_) {
            backend.synchronize();
        }
        const double end = log::now();
        const auto place = static_cast<std::size_t>(phase);
        seconds_[place] += end - start;
        if (profile_ != nullptr) {
            profile_->add({phase_names[place], Track::phases, start, end});
        }
    }
    void set_wait(bool wait) { wait_ = wait; }
    void set_profile(Profile* profile) { profile_ = profile; }  ///< null: none
    const std::array<double, phase_names.size()>& seconds() const { return seconds_; }
    void reset() { seconds_.fill(0.0); }

private:
    std::array<double, phase_names.size()> seconds_{};
    bool wait_ = false;
    Profile* profile_ = nullptr;
};

}  // namespace lrd
