// SPDX-License-Identifier: MIT
// The columns of a run's metrics, in one place, and the rows that go into them.
#pragma once

#include <string>
#include <vector>

#include "train/metrics.hpp"
#include "train/trainer.hpp"

namespace lrd {

class RunMetrics {
public:
    /// `splits`: names of the evaluations ("val", …).
    RunMetrics(const std::string& run_directory, const Students& students,
               const std::vector<std::string>& splits,
               std::vector<std::pair<std::string, std::string>> attributes);

    void truncate_after(std::int64_t step) { writer_.truncate_after(step); }
    struct Seconds {
        double training;      // since step 0
        double comm_exposed;  // since the row before
    };
    void train_row(std::int64_t step, double tokens, double flops, Seconds seconds,
                   const Students& students, const std::vector<StudentReport>& reports);
    /// Seconds since the row before: of the steps, and of their phases.
    void phases_row(std::int64_t step, double step_seconds, const Phases& phases);
    void eval_row(std::int64_t step, const std::string& split, const Students& students,
                  const std::vector<LossTerms>& terms);
    void event(std::int64_t step, const std::string& what, const Json& details) {
        writer_.event(step, what, details);
    }
    void flush() { writer_.flush(); }

private:
    MetricsWriter writer_;
};

}  // namespace lrd
