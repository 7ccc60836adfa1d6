// SPDX-License-Identifier: MIT
#include "loss/distill_loss.hpp"

#include <algorithm>
#include <limits>

#include "core/check.hpp"

namespace lrd {
namespace {

// Taps in the order of their sums: layer by layer.
std::int64_t layer_of(std::size_t tap) { return static_cast<std::int64_t>(tap) / taps_per_layer; }
Tap tap_of(std::size_t tap) { return static_cast<Tap>(static_cast<int>(tap) % taps_per_layer); }

}  // namespace

DistillLoss::DistillLoss(Gpt2& student, Teacher* teacher, const std::string& name,
                         LossSettings settings, std::int64_t max_rows)
    : student_(student),
      teacher_(teacher),
      settings_(std::move(settings)),
      backend_(student.weights().backend()),
      arena_(backend_, name + " losses") {
    LRD_CHECK(teacher != nullptr || (settings_.kd == 0.0 && settings_.clone == 0.0),
              "{} has no teacher", name);
    const std::int64_t taps = student.config().L * taps_per_layer;
    kd_rows_ = arena_.region("kd rows", DType::f32, {max_rows});
    lm_rows_ = arena_.region("lm rows", DType::f32, {max_rows});
    sums_ = arena_.region("sums", DType::f32, {2 + taps});
    sums_host_.resize(static_cast<std::size_t>(2 + taps));
}

bool DistillLoss::needs_tap_variance() const {
    return settings_.clone != 0.0 && settings_.clone_reduction == "relative" &&
           tap_variance_.empty();
}

void DistillLoss::set_tap_variance(std::vector<double> trace) { tap_variance_ = std::move(trace); }

// Of none the mean is 0: a batch of documents of one token scores nothing.
void DistillLoss::begin(std::int64_t rows, std::int64_t firsts, std::int64_t targets) {
    targets_ = std::max<std::int64_t>(1, targets);
    clone_rows_ = std::max<std::int64_t>(1, settings_.clone_skip_first ? rows - firsts : rows);
    backend_.zero(sums_);
}

HeadTerm DistillLoss::head_term() {
    const std::int64_t n = student_.batch().rows();
    return {.model = &student_,
            .tau = static_cast<float>(settings_.tau),
            .w_kd = static_cast<float>(settings_.kd),
            .w_lm = static_cast<float>(settings_.lm),
            .wants_kd = settings_.kd != 0.0,
            .kd_rows = kd_rows_.slice(0, n),
            .lm_rows = lm_rows_.slice(0, n),
            .kd_sum = sums_.slice(0, 1),
            .lm_sum = sums_.slice(1, 2)};
}

std::size_t DistillLoss::index(std::int64_t layer, Tap tap) const {
    return static_cast<std::size_t>(layer * taps_per_layer + static_cast<int>(tap));
}

double DistillLoss::tap_factor(std::size_t tap) const {
    const auto rows = static_cast<double>(clone_rows_);
    if (settings_.clone_reduction == "mean") {
        return 1.0 / (rows * static_cast<double>(student_.config().C));
    }
    return settings_.clone_reduction == "sum" ? 1.0 / rows : 1.0 / (rows * tap_variance_.at(tap));
}

CloneLoss DistillLoss::clone_call(std::size_t tap) const {
    const auto at = static_cast<std::int64_t>(2 + tap);
    return {.sum = sums_.slice(at, at + 1),
            .s = student_.tap(layer_of(tap), tap_of(tap)),
            .t = teacher_->tap(layer_of(tap), tap_of(tap)),
            .T = student_.batch().T,
            .skip_first = settings_.clone_skip_first,
            .starts = student_.starts()};
}

void DistillLoss::add_clone_value() {
    if (settings_.clone == 0.0) {
        return;
    }
    for (std::size_t tap = 0; tap + 2 < sums_host_.size(); ++tap) {
        if (compares(tap)) {
            backend_.clone_loss(clone_call(tap));
        }
    }
}

bool DistillLoss::compares(std::size_t tap) const {
    return teacher_->has_tap(layer_of(tap), tap_of(tap));
}

bool DistillLoss::wants(std::int64_t layer, Tap tap) const {
    return settings_.clone != 0.0 && teacher_->has_tap(layer, tap);
}

// d/ds of λ·factor·|s − t|² is 2 λ·factor·(s − t).
void DistillLoss::add(std::int64_t layer, Tap tap, const View& d_value, const View& value) {
    CloneLoss call = clone_call(index(layer, tap));
    call.s = value;
    call.d_s = d_value;
    call.scale = static_cast<float>(2.0 * settings_.clone * tap_factor(index(layer, tap)));
    backend_.clone_loss(call);
}

void DistillLoss::terms(const double* sums, LossTerms& t) const {
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    const auto rows = static_cast<double>(targets_);
    t.lm = sums[1] / rows;
    t.kd = t.clone = none;
    t.loss = settings_.lm * t.lm;
    if (settings_.kd != 0.0) {
        t.kd = sums[0] / rows;
        t.loss += settings_.kd * t.kd;
    }
    const std::size_t taps = sums_host_.size() - 2;
    t.clone_tap.assign(taps, none);
    if (settings_.clone != 0.0) {
        t.clone = 0.0;
        for (std::size_t tap = 0; tap < taps; ++tap) {
            if (compares(tap)) {
                t.clone_tap[tap] = sums[2 + tap] * tap_factor(tap);
                t.clone += t.clone_tap[tap];
            }
        }
        t.loss += settings_.clone * t.clone;
    }
}

}  // namespace lrd
