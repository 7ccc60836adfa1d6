// SPDX-License-Identifier: MIT
// What a Trainer measures before its first step, for clone terms that are relative.
#include <algorithm>

#include "core/check.hpp"
#include "train/trainer.hpp"

namespace lrd {

void Trainer::measure_tap_variance() {
    const bool wanted = std::any_of(students_.begin(), students_.end(), [](const auto& student) {
        return student->loss.needs_tap_variance();
    });
    if (!wanted) {
        return;
    }
    // tr Cov = E|x|² − |E x|², from sums over the micro-batches of all ranks.
    const Gpt2Config& c = teacher_->config();
    const std::int64_t taps = c.L * taps_per_layer;
    Arena arena(backend_, "tap variance");
    const View moments = arena.region("moments", DType::f32, {taps, c.C + 1});
    OrderedSum over_batches(world_, mine_, micro_batches_, moments.size());
    const auto measure = [&](bool skip_first) {
        for (std::int64_t i = mine_.first; i < mine_.last; ++i) {
            backend_.zero(moments);
            load(i * settings_.micro_batch);
            // Not by window: a cache may not have all taps.
            teacher_->run(ids_, {settings_.micro_batch, source_.context()}, {}, starts());
            for (std::int64_t tap = 0; tap < taps; ++tap) {
                const View row = moments.slice(tap, tap + 1).reshape({c.C + 1});
                backend_.tap_moments(
                    row.slice(0, c.C), row.slice(c.C, c.C + 1),
                    teacher_->tap(tap / taps_per_layer, static_cast<Tap>(tap % taps_per_layer)),
                    source_.context(), skip_first, starts());
            }
            backend_.download(over_batches.row(i), moments);
        }
        backend_.synchronize();
        const std::vector<double>& sums = over_batches.sum();
        const RowCounts counts = source_.counts(0, settings_.global_batch);
        const auto rows = static_cast<double>(
            std::max<std::int64_t>(1, counts.rows - (skip_first ? counts.firsts : 0)));
        std::vector<double> trace;
        for (std::int64_t tap = 0; tap < taps; ++tap) {
            const double* x = sums.data() + tap * (c.C + 1);
            double squared_mean = 0.0;
            for (std::int64_t j = 0; j < c.C; ++j) {
                squared_mean += (x[j] / rows) * (x[j] / rows);
            }
            const double square = x[c.C] / rows;
            if (!(square - squared_mean > 1e-6 * square)) {
                fail(
                    ExitCode::usage,
                    "loss.clone_reduction = relative: tap {} of the teacher does not vary over the "
                    "first global batch; take a larger one, or the reduction mean",
                    tap);
            }
            trace.push_back(square - squared_mean);
        }
        return trace;
    };
    for (const auto& student : students_) {
        if (student->loss.needs_tap_variance()) {
            student->loss.set_tap_variance(measure(student->loss.settings().clone_skip_first));
        }
    }
}

void Trainer::assume_tap_variance() {
    for (const auto& student : students_) {
        if (student->loss.needs_tap_variance()) {
            const std::int64_t taps = student->model.config().L * taps_per_layer;
            student->loss.set_tap_variance(
                std::vector<double>(static_cast<std::size_t>(taps), 1.0));
        }
    }
}

}  // namespace lrd
