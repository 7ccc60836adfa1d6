// SPDX-License-Identifier: MIT
// Run: a configuration brought to life: data, teacher, students, and the loop of steps with what is
// due after each: metrics, evaluation, checkpoints, stopping.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/loader.hpp"
#include "train/budget.hpp"
#include "train/checkpoint.hpp"
#include "train/evaluate.hpp"
#include "train/model_reference.hpp"
#include "train/open_teacher_cache.hpp"
#include "train/run_directory.hpp"
#include "train/run_metrics.hpp"
#include "train/run_profile.hpp"
#include "train/run_state.hpp"
#include "train/stop.hpp"

namespace lrd {

class Run {
public:
    /// Ready to step: everything is allocated, initialised or restored. `directory` is null on
    /// ranks other than 0. Errors: usage, missing_input, bad_data, out_of_memory.
    Run(const Config& config, const std::string& code_version, Backend& backend,
        Communicator& world, const RunDirectory* directory);

    /// The same objects without values and without a directory, for `lrd plan`: to be counted, or
    /// stepped for their time. Reads headers alone, of tokens and teacher.
    static std::unique_ptr<Run> blank(const Config& config, Backend& backend, Communicator& world);

    /// What these objects take and do: what a start prints and a plan plans with.
    Budget budget() const;
    Trainer& trainer() { return *trainer_; }

    /// Steps until done (0) or stopped with a checkpoint (ExitCode::stopped).
    ExitCode execute();

    bool complete() const { return progress_.step >= config_.train.steps || out_of_patience(); }
    const std::string& stop_reason() const { return stop_reason_; }
    const Progress& progress() const { return progress_; }
    std::int64_t last_checkpoint() const { return last_checkpoint_; }

private:
    Run(const Config& config, const std::string& code_version, Backend& backend,
        Communicator& world, const RunDirectory* directory, bool blank);
    void open_data();
    void check_teacher() const;
    void load_teacher();
    void make_students();
    void start_or_resume();
    void first_values();
    void check_same_settings(const CheckpointStore::Loaded& found) const;
    void start_from(Student& student) const;
    void check_sources(const Sources& before) const;
    void open_metrics();
    CacheNeeds needs_of_cache() const;
    TeacherCacheSize cache_size() const { return size_of_cache(needs_of_cache()); }
    void open_cache();
    void print_top_k_bias();
    bool begins_epoch(std::int64_t step) const;

    ExitCode steps();
    const std::vector<StudentReport>& step();
    void after_step(const std::vector<StudentReport>& reports);
    void validate();
    void keep_best(const std::vector<LossTerms>& terms);
    void save();
    void check_divergence() const;
    Json state() const;
    Provenance provenance() const;
    bool out_of_patience() const {
        return config_.train.patience > 0 && progress_.stale >= config_.train.patience;
    }
    bool root() const { return world_.rank() == 0; }

    bool blank_;
    Config config_;
    std::string config_toml_, code_version_;
    Backend& backend_;
    Communicator& world_;
    const RunDirectory* directory_;
    CheckpointStore store_;
    StopConditions stop_;  // from the start: a signal during set-up is obeyed after one step
    std::string stop_reason_;
    std::unique_ptr<TokenFiles> tokens_;
    std::vector<std::unique_ptr<TokenFiles>> eval_tokens_;
    std::unique_ptr<Loader> loader_;
    std::unique_ptr<NodeMemory> teacher_memory_;
    std::unique_ptr<Weights> teacher_weights_;
    std::unique_ptr<Gpt2> teacher_model_;
    std::unique_ptr<Teacher> teacher_;
    CachedTeacher* cached_teacher_ = nullptr;  // teacher_, if it is one
    Students students_;
    std::unique_ptr<Trainer> trainer_;
    std::vector<std::unique_ptr<Validation>> validations_;
    std::vector<std::string> validation_names_;
    std::unique_ptr<RunMetrics> metrics_;  // rank 0
    std::optional<RunProfile> profile_;
    double stepping_ = 0.0;  // seconds of the steps since the last row of metrics
    Progress progress_;
    std::int64_t last_checkpoint_ = -1;
    double last_save_seconds_ = 0.0;
    Sources sources_;
};

}  // namespace lrd
