// SPDX-License-Identifier: MIT
// The teacher of a Run: once per node, the same on all nodes.
#include <filesystem>

#include "core/check.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "model/model_file.hpp"
#include "train/run.hpp"

namespace lrd {
namespace {

/// A teacher's best model may change while its run goes on; this run could then not be continued.
void warn_of_moving_teacher(const std::string& reference) {
    const std::string status = locate_model(reference).run + "/status.json";
    if (std::filesystem::exists(status) &&
        Json::parse(read_text(status), status).at("state").as_string() == "running") {
        log::warning(
            "the teacher {} is of a run that is not done; if its model changes, this run "
            "cannot be continued; RUN:student@STEP names one that stays",
            reference);
    }
}

}  // namespace

void Run::check_teacher() const {
    if (config_.teacher.model.empty()) {
        if (config_.teacher.cache != "none") {
            fail(ExitCode::usage, "teacher.cache = {} needs a teacher; set teacher.model",
                 config_.teacher.cache);
        }
        return;
    }
    if (!blank_) {
        warn_of_moving_teacher(config_.teacher.model);
    }
    check_teacher_reads(locate_model(config_.teacher.model).architecture.config,
                        config_.teacher.model, *tokens_, config_.data.context);
}

void Run::load_teacher() {
    if (config_.teacher.model.empty()) {
        return;
    }
    sources_.teacher = config_.teacher.model;
    if (blank_) {
        teacher_weights_ = blank_teacher(backend_, config_.teacher.model);
    } else {
        // One rank of a node reads it, and its digest is compared with the other nodes'.
        SharedTeacher teacher = load_shared_teacher(backend_, world_, config_.teacher.model);
        teacher_memory_ = std::move(teacher.memory);
        teacher_weights_ = std::move(teacher.weights);
        sources_.teacher_digest = teacher.digest;
    }
    teacher_model_ =
        std::make_unique<Gpt2>(*teacher_weights_, "teacher",
                               BatchShape{config_.train.micro_batch, config_.data.context}, true);
}

}  // namespace lrd
