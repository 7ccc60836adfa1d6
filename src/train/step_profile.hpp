// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "train/trace_file.hpp"
#include "train/trainer.hpp"

namespace lrd {

/// Steps of a trainer, written down, and what comes of them.
class StepProfile {
public:
    /// Collective: the clocks of the ranks are compared.
    StepProfile(Trainer& trainer, Backend& backend, Communicator& world);

    void begin_step();
    void end_step(std::int64_t step);

    struct Report {
        MachineRates rates;
        std::vector<OpRow> ops;
        double seconds;  // of the steps
        std::vector<std::int64_t> steps;
    };
    /// Collective: the ranks of a node share its memory, so all measure at the same time.
    Report report() const;
    /// Rank 0 writes the spans of all ranks; collective. `about`: facts that stand beside them.
    void write(const std::string& path, const Report& report, Json about) const;

private:
    Trainer& trainer_;
    Backend& backend_;
    Communicator& world_;
    Profile profile_;
    double zero_, begin_ = 0.0;
};

}  // namespace lrd
