// SPDX-License-Identifier: MIT
#include "train/step_profile.hpp"

#include "core/log.hpp"

namespace lrd {
namespace {
/// Of a rank, 56 bytes each; what is not used takes no memory. Steps of gpt2-small with one
/// micro-batch have about 2000.
constexpr std::size_t capacity = std::size_t{1} << 20;
}  // namespace

StepProfile::StepProfile(Trainer& trainer, Backend& backend, Communicator& world)
    : trainer_(trainer),
      backend_(backend),
      world_(world),
      profile_(capacity),
      zero_(common_zero(world)) {}

void StepProfile::begin_step() {
    trainer_.set_profile(&profile_);
    begin_ = log::now();
}

void StepProfile::end_step(std::int64_t step) {
    profile_.add({"step", Track::steps, begin_, log::now(), {}, step});
    trainer_.set_profile(nullptr);
}

StepProfile::Report StepProfile::report() const {
    Report report{};
    world_.barrier();
    report.rates = measure_rates(backend_);
    report.ops = op_rows(profile_, report.rates);
    for (const Span& span : profile_.spans()) {
        if (span.track == Track::steps) {
            report.seconds += span.end - span.begin;
            report.steps.push_back(span.number);
        }
    }
    return report;
}

void StepProfile::write(const std::string& path, const Report& report, Json about) const {
    about["steps"] = Json(report.steps);
    write_trace(path, profile_, zero_, report.ops, report.rates, std::move(about), world_);
}

}  // namespace lrd
