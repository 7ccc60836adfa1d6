// SPDX-License-Identifier: MIT
#include "train/run_profile.hpp"

#include "core/log.hpp"

namespace lrd {

RunProfile::RunProfile(const RunSettings& settings, const std::string& code_version,
                       Trainer& trainer, Backend& backend, Communicator& world)
    : file_(settings.profile),
      code_version_(code_version),
      steps_(parse_step_range(settings.profile_steps)),
      trainer_(trainer),
      backend_(backend),
      world_(world),
      closed_(file_.empty()) {}

void RunProfile::before_step() {
    ++step_;
    if (!wanted()) {
        return;
    }
    if (!profile_) {
        profile_.emplace(trainer_, backend_, world_);
    }
    profile_->begin_step();
}

void RunProfile::after_step(std::int64_t step) {
    if (wanted()) {
        profile_->end_step(step);
        if (step_ == steps_.last) {
            finish();
        }
    }
}

void RunProfile::finish() {
    if (closed_) {
        return;
    }
    closed_ = true;
    if (!profile_) {
        log::info("{} was not written: the run ended before step {} of this start", file_,
                  steps_.first);
        return;
    }
    const StepProfile::Report report = profile_->report();
    profile_->write(file_, report, Json::object({{"code_version", code_version_}}));
    for (const std::string& line : ops_text(report.ops, report.rates, report.seconds)) {
        log::info("{}", line);
    }
    log::info("{}: a trace of {} step(s), for Perfetto or chrome://tracing", file_,
              report.steps.size());
    profile_.reset();
}

}  // namespace lrd
