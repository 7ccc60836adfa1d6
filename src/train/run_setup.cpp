// SPDX-License-Identifier: MIT
// How a Run comes to stand where it goes on from.
#include <algorithm>
#include <filesystem>

#include "config/run_options.hpp"
#include "core/check.hpp"
#include "io/digest.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "model/initialise.hpp"
#include "model/model_file.hpp"
#include "train/process.hpp"
#include "train/resolve_config.hpp"
#include "train/run.hpp"
#include "train/same_on_all_ranks.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

/// Of every rank, to be compared with the others'.
std::string describe(const Sources& sources, bool reproducible) {
    return fmt::format("tokens (digest) = {}\nteacher (digest) = {}\ninstruction set = {}\n",
                       sources.data_digest, sources.teacher_digest,
                       reproducible ? sources.instruction_set : "any");
}

void copy_tokenizer(const std::string& tokens, const std::string& run) {
    const std::string from = tokens + "/tokenizer";
    if (!fs::is_directory(from) || fs::exists(run + "/tokenizer")) {
        return;
    }
    const std::string temporary = run + "/.tmp-tokenizer";
    fs::remove_all(temporary);
    make_directories(temporary);
    for (const auto& entry : fs::directory_iterator(from)) {
        write_text_and_fsync(temporary + "/" + entry.path().filename().string(),
                             read_text(entry.path().string()));
    }
    publish_directory(temporary, run + "/tokenizer");
}

}  // namespace

Run::Run(const Config& config, const std::string& code_version, Backend& backend,
         Communicator& world, const RunDirectory* directory)
    : Run(config, code_version, backend, world, directory, false) {
    start_or_resume();
}

std::unique_ptr<Run> Run::blank(const Config& config, Backend& backend, Communicator& world) {
    return std::unique_ptr<Run>(new Run(config, "", backend, world, nullptr, true));
}

Run::Run(const Config& config, const std::string& code_version, Backend& backend,
         Communicator& world, const RunDirectory* directory, bool blank)
    : blank_(blank),
      code_version_(code_version),
      backend_(backend),
      world_(world),
      directory_(directory),
      store_(config.run.out, config.train.keep),
      stop_(config.run.out, config.run.max_time) {
    root_first(world_, [&] {
        config_ = resolved(config, backend_);
        config_toml_ = to_toml(config_);
    });
    check_same_on_all_ranks(world_, "version = " + code_version_ + "\n" + config_toml_);
    root_first(world_, [&] {
        open_data();
        check_teacher();
    });
    load_teacher();
    sources_.instruction_set = backend_.instruction_set();
    if (!blank_) {
        check_same_on_all_ranks(world_, describe(sources_, config_.run.reproducible));
    }
    if (teacher_model_) {
        open_cache();
    }
    root_first(world_, [&] { make_students(); });
}

void Run::open_data() {
    tokens_ = std::make_unique<TokenFiles>(config_.data.tokens, config_.data.split);
    sources_.data_digest = tokens_->digest();
    loader_ = std::make_unique<Loader>(
        *tokens_, LoaderSettings{config_.data.context, config_.train.shuffle, config_.run.seed,
                                 config_.data.limit_tokens, config_.data.document_mask});
    if (config_.train.patience > 0 && config_.data.eval.empty()) {
        fail(ExitCode::usage,
             "train.patience = {} needs a split to evaluate on, and {} has no val; name one in "
             "data.eval",
             config_.train.patience, config_.data.tokens);
    }
    for (const std::string& spec : config_.data.eval) {
        const std::string split = split_of(spec);
        const std::string dir = spec.substr(0, spec.size() - split.size() - 1);
        eval_tokens_.push_back(std::make_unique<TokenFiles>(dir, split));
        if (eval_tokens_.back()->vocabulary() != tokens_->vocabulary()) {
            fail(ExitCode::bad_data,
                 "{} has a vocabulary of {}, the tokens to train on one of {}; "
                 "prepare both with the same tokenizer",
                 spec, eval_tokens_.back()->vocabulary(), tokens_->vocabulary());
        }
        std::string name = split;  // a second one of that name: val-2
        for (int i = 2; std::find(validation_names_.begin(), validation_names_.end(), name) !=
                            validation_names_.end() ||
                        name == "train";
             ++i) {
            name = fmt::format("{}-{}", split, i);
        }
        validation_names_.push_back(name);
        // The best models are the best on these tokens, so they belong to the run too.
        sources_.data_digest = sha256(sources_.data_digest + eval_tokens_.back()->digest());
    }
}

void Run::make_students() {
    const ModelSettings& m = config_.model;
    const Gpt2Config scratch{m.layers,
                             m.width,
                             m.heads,
                             m.width / m.heads,
                             4 * m.width,
                             config_.data.context,
                             tokens_->vocabulary()};
    const BatchShape capacity{config_.train.micro_batch, config_.data.context};
    for (const StudentSettings& settings : config_.students) {
        if (settings.loss.clone != 0.0 && settings.loss.clone_skip_first &&
            config_.data.context == 1) {
            fail(ExitCode::usage,
                 "student {}: loss.clone_skip_first leaves nothing of data.context = 1",
                 settings.name);
        }
        if (m.dropout != 0.0 && (settings.loss.kd != 0.0 || settings.loss.clone != 0.0)) {
            fail(ExitCode::usage,
                 "model.dropout = {}, but student {} learns from a teacher (loss.kd = {}, "
                 "loss.clone = {}); dropout is for models that train on tokens alone: set it to 0",
                 m.dropout, settings.name, settings.loss.kd, settings.loss.clone);
        }
        students_.push_back(std::make_unique<Student>(
            backend_, settings, teacher_ ? teacher_->config() : scratch, teacher_.get(), capacity,
            config_.train.steps, config_.train.recompute));
        students_.back()->dropout.rate = static_cast<float>(m.dropout);
    }
    // Fine-tuning starts from a teacher's weights but does not listen to it.
    const bool listens = std::any_of(students_.begin(), students_.end(), [](const auto& s) {
        return s->loss.settings().kd != 0.0 || s->loss.settings().clone != 0.0;
    });
    Teacher* const teacher = listens ? teacher_.get() : nullptr;
    trainer_ = std::make_unique<Trainer>(backend_, world_, config_.train, *loader_, teacher,
                                         students_, config_.run.reproducible);
    for (const auto& tokens : eval_tokens_) {
        validations_.push_back(std::make_unique<Validation>(
            world_, trainer_->head(), teacher, students_,
            EvalWindows(*tokens, config_.data.context, 0, config_.train.micro_batch), capacity));
    }
}

void Run::check_same_settings(const CheckpointStore::Loaded& found) const {
    if (config_.run.resume == "never") {
        fail(ExitCode::busy, "{} holds a run already and run.resume is never; choose another --out",
             config_.run.out);
    }
    const Config before = parse_config(found.provenance.config_toml, found.directory);
    std::string list;
    for (const std::string& one : differences(before, config_)) {
        list += (list.empty() ? "" : "; ") + one;
    }
    if (!list.empty()) {
        fail(ExitCode::usage,
             "{} was begun with other settings: {}; give the old ones, or another "
             "--out for a new run",
             config_.run.out, list);
    }
}

void Run::check_sources(const Sources& before) const {
    const auto refuse = [&](const char* what, const std::string& old_digest,
                            const std::string& digest) {
        fail(ExitCode::usage,
             "{} was begun with other {}: {} → {} (digests); give the old ones, or "
             "another --out for a new run",
             config_.run.out, what, old_digest.substr(0, 12), digest.substr(0, 12));
    };
    if (before.data_digest != sources_.data_digest) {
        refuse("tokens: data.tokens", before.data_digest, sources_.data_digest);
    }
    if (config_.run.reproducible && before.instruction_set != sources_.instruction_set) {
        fail(ExitCode::usage,
             "{} is reproducible and was begun with the instruction set \"{}\", this machine has "
             "\"{}\"; go on where it was begun, or give another --out for a new run",
             config_.run.out, before.instruction_set, sources_.instruction_set);
    }
    if (before.teacher_digest != sources_.teacher_digest) {
        refuse("weights of the teacher: teacher.model", before.teacher_digest,
               sources_.teacher_digest);
    }
}

void Run::start_or_resume() {
    std::optional<CheckpointStore::Loaded> found;
    root_first(world_, [&] { found = store_.newest_valid(); });
    if (!found && config_.run.resume == "must") {
        fail(ExitCode::missing_input, "run.resume is must, but {} has no checkpoint",
             config_.run.out);
    }
    if (found) {
        root_first(world_, [&] {
            check_same_settings(*found);
            check_sources(sources_of(found->state, found->directory));
            CheckpointStore::load(backend_, found->directory, checkpoint_tensors(students_));
            progress_ = restore(found->state, found->directory, students_);
        });
        ++progress_.restarts;
        last_checkpoint_ = progress_.step;
        log::info("going on from {}", found->directory);
    } else {
        first_values();
        trainer_->measure_tap_variance();
    }
    if (complete() && found) {
        return;  // complete: nothing is written
    }
    if (teacher_weights_) {
        teacher_weights_->release_masters();
    }
    print_top_k_bias();
    open_metrics();
    if (!found) {
        save();
    }
}

void Run::first_values() {
    std::vector<Initialisation> first;
    for (const auto& student : students_) {
        if (student->settings.start.empty()) {
            const bool scratch = !teacher_ || student->settings.init == "random";
            first.push_back(
                {&student->weights, scratch ? "random" : "svd", student->settings.seed});
        }
    }
    // One rank decomposes; the others get the same bits.
    if (root()) {
        initialise(first, teacher_ ? &teacher_->weights() : nullptr);
        for (const auto& student : students_) {
            if (!student->settings.start.empty()) {
                start_from(*student);
            }
        }
    }
    for (const auto& student : students_) {
        world_.broadcast(backend_, student->weights.parameters().flat, 0);
    }
}

void Run::start_from(Student& student) const {
    const std::string& start = student.settings.start;
    const ModelLocation at = locate_model(start);
    if (to_json(at.architecture) != to_json(student.weights.architecture())) {
        fail(ExitCode::usage,
             "student {}: its start {} has another form, rank or size; give the "
             "student the same",
             student.name(), start);
    }
    if (student.settings.form == "lifted" && at.teacher_digest != sources_.teacher_digest) {
        fail(ExitCode::usage,
             "student {}: its start {} is lifted from another teacher ({}); lifted "
             "factors are of use with their own teacher alone",
             student.name(), start, at.teacher);
    }
    load_weights(at, student.weights);
}

void Run::open_metrics() {
    if (!root()) {
        return;
    }
    const std::string& out = config_.run.out;
    copy_tokenizer(config_.data.tokens, out);
    publish_text(
        out + "/run.toml",
        config_toml_ + fmt::format("\n[provenance]\nversion = \"{}\"\nranks = {}\nhost = \"{}\"\n"
                                   "started = \"{}\"\n",
                                   code_version_, world_.size(), host_name(), utc_time()));
    metrics_ = std::make_unique<RunMetrics>(
        out, students_, validation_names_,
        std::vector<std::pair<std::string, std::string>>{{"title", "metrics of a run of lrd"},
                                                         {"config_toml", config_toml_},
                                                         {"code_version", code_version_}});
    metrics_->truncate_after(progress_.step == 0 && last_checkpoint_ < 0 ? -1 : progress_.step);
    log_budget(budget());
}

}  // namespace lrd
