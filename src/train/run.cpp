// SPDX-License-Identifier: MIT
#include "train/run.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "config/run_options.hpp"
#include "core/check.hpp"
#include "io/digest.hpp"
#include "io/publish.hpp"
#include "model/costs.hpp"
#include "train/process.hpp"

namespace lrd {
namespace {

constexpr std::int64_t most_skips_in_row = 10;

BatchShape capacity_of(const Config& c) { return {c.train.micro_batch, c.data.context}; }

}  // namespace

ExitCode Run::execute() {
    profile_.emplace(config_.run, code_version_, *trainer_, backend_, world_);
    const ExitCode code = steps();
    profile_->finish();
    return code;
}

/// One step and all that its time counts.
const std::vector<StudentReport>& Run::step() {
    profile_->before_step();
    const double start = log::now();
    if (cached_teacher_ != nullptr && begins_epoch(progress_.step)) {
        trainer_->phases().time(Phase::teacher, backend_,
                                [&] { cached_teacher_->cache().share(world_); });
    }
    const auto& reports = trainer_->step(progress_.step + 1);
    ++progress_.step;
    backend_.synchronize();
    const double seconds = log::now() - start;
    progress_.seconds += seconds;
    stepping_ += seconds;
    profile_->after_step(progress_.step);
    return reports;
}

ExitCode Run::steps() {
    stop_.note_save(last_save_seconds_);
    log::Progress bar("train", static_cast<double>(config_.train.steps));
    const std::int64_t steps = config_.train.steps;
    while (progress_.step < steps) {
        const double start = log::now();
        const double before = progress_.seconds;
        const auto& reports = step();
        const double seconds = progress_.seconds - before;
        after_step(reports);
        stop_.note_step(log::now() - start);  // an evaluation has to fit before max_time too
        const StopDecision decision = stop_.poll(world_);
        const bool last = complete();
        if (last || decision.stop || decision.checkpoint ||
            progress_.step % config_.train.checkpoint_every == 0) {
            save();
            stop_.note_save(last_save_seconds_);
        }
        if (out_of_patience() && progress_.step < steps) {
            stop_reason_ = "patience";
            log::info(
                "no student got better in the last {} evaluations: the run ends after step {}",
                progress_.stale, progress_.step);
            return ExitCode::done;
        }
        if (decision.stop && !last) {
            stop_reason_ = decision.reason;
            log::info("stopped by {} after step {}; the same command goes on", decision.reason,
                      progress_.step);
            return ExitCode::stopped;
        }
        bar.update(static_cast<double>(progress_.step),
                   fmt::format("step {}, loss {:.4f}, {:.0f} tokens/s", progress_.step,
                               reports.front().terms.loss,
                               static_cast<double>(trainer_->tokens_per_step()) / seconds));
    }
    return ExitCode::done;
}

void Run::after_step(const std::vector<StudentReport>& reports) {
    const std::int64_t step = progress_.step;
    const bool last = step == config_.train.steps;
    if (root()) {
        directory_->heartbeat();
        if (last || step % config_.train.log_every == 0) {
            const double tokens = static_cast<double>(step * trainer_->tokens_per_step());
            std::vector<const Architecture*> architectures;
            for (const auto& student : students_) {
                architectures.push_back(&student->weights.architecture());
            }
            const Architecture* teacher = trainer_->teacher_architecture();
            const double flops = step_cost(architectures, teacher,
                                           config_.train.global_batch / config_.train.micro_batch,
                                           capacity_of(config_).rows(), config_.data.context)
                                     .flops();
            metrics_->train_row(step, tokens, flops * static_cast<double>(step),
                                {progress_.seconds, trainer_->take_comm_exposed()}, students_,
                                reports);
            metrics_->phases_row(step, stepping_, trainer_->phases());
            trainer_->phases().reset();
            stepping_ = 0.0;
        }
        for (std::size_t k = 0; k < students_.size(); ++k) {
            if (reports[k].skipped) {
                metrics_->event(step, "skipped", Json::object({{"student", students_[k]->name()}}));
                log::warning(
                    "step {}: the update of {} was skipped, its loss or gradient is not finite",
                    step, students_[k]->name());
            }
        }
    }
    check_divergence();
    if (last || (config_.train.eval_every > 0 && step % config_.train.eval_every == 0)) {
        validate();
    }
    if (root() && (last || step % config_.train.log_every == 0)) {
        metrics_->flush();
    }
}

void Run::check_divergence() const {
    for (const auto& student : students_) {
        if (student->skipped_in_row >= most_skips_in_row) {
            if (root()) {
                metrics_->flush();
            }
            fail(ExitCode::diverged,
                 "{}: {} updates in a row were not finite; lower optim.lr or look "
                 "at the data; the last checkpoint is of step {}",
                 student->name(), student->skipped_in_row, last_checkpoint_);
        }
    }
}

void Run::validate() {
    for (std::size_t i = 0; i < validations_.size(); ++i) {
        if (root()) {
            directory_->heartbeat();
        }
        const std::vector<LossTerms>& terms = validations_[i]->run();
        if (root()) {
            metrics_->eval_row(progress_.step, validation_names_[i], students_, terms);
        }
        if (i == 0) {
            keep_best(terms);
        }
    }
}

/// Of this evaluation on the first split: which students are at their best, and how long none was.
void Run::keep_best(const std::vector<LossTerms>& terms) {
    ++progress_.stale;
    std::vector<Student*> better;
    for (std::size_t k = 0; k < students_.size(); ++k) {
        if (terms[k].loss < students_[k]->best_val_loss) {
            students_[k]->best_val_loss = terms[k].loss;
            students_[k]->best_step = progress_.step;
            progress_.stale = 0;
            better.push_back(students_[k].get());
        }
    }
    // One rank's word counts, so that all end together even if their sums should differ in a bit.
    double stale[] = {root() ? static_cast<double>(progress_.stale) : 0.0};
    world_.all_reduce_sum(stale);
    progress_.stale = static_cast<std::int64_t>(stale[0]);
    if (!root() || !config_.train.keep_best) {
        return;
    }
    make_directories(config_.run.out + "/best");
    for (const Student* student : better) {
        publish_model_file(backend_, config_.run.out + "/best/" + student->name() + ".h5",
                           model_tensors(*student), state(), provenance());
    }
}

void Run::save() {
    const double start = log::now();
    if (cached_teacher_ != nullptr) {
        cached_teacher_->cache().share(world_);
    }
    if (root()) {
        directory_->heartbeat();
        metrics_->flush();
        store_.save(backend_, progress_.step, checkpoint_tensors(students_), state(), provenance());
        RunDirectory::write_status(config_.run.out, {.state = "running",
                                                     .step = progress_.step,
                                                     .steps = config_.train.steps,
                                                     .last_checkpoint = progress_.step});
    }
    world_.barrier();
    last_checkpoint_ = progress_.step;
    last_save_seconds_ = log::now() - start;
}

Json Run::state() const { return run_state(progress_, sources_, students_); }

Provenance Run::provenance() const {
    return {world_.size(), config_toml_, sha256(config_toml_), code_version_};
}

}  // namespace lrd
