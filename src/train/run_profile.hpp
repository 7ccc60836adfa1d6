// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

#include "config/config.hpp"
#include "config/step_range.hpp"
#include "train/step_profile.hpp"

namespace lrd {

/// run.profile and run.profile_steps: some steps of a run written down. They become the file, and a
/// table of ops for people, as soon as the last of them is done or the run ends. Without a file
/// nothing happens. All calls are collective.
class RunProfile {
public:
    RunProfile(const RunSettings& settings, const std::string& code_version, Trainer& trainer,
               Backend& backend, Communicator& world);

    void before_step();
    void after_step(std::int64_t step);  ///< its number in the run
    void finish();                       ///< the last step was done

private:
    bool wanted() const { return !closed_ && step_ >= steps_.first; }

    std::string file_, code_version_;
    StepRange steps_;  // counted from the start of the command, from 1
    Trainer& trainer_;
    Backend& backend_;
    Communicator& world_;
    std::optional<StepProfile> profile_;  // from the first step that is wanted
    std::int64_t step_ = 0;               // of this start
    bool closed_;
};

}  // namespace lrd
