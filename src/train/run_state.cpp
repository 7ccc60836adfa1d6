// SPDX-License-Identifier: MIT
#include "train/run_state.hpp"

#include <cmath>
#include <limits>

#include "core/check.hpp"
#include "model/model_file.hpp"

namespace lrd {
namespace {

void add_tensors(std::vector<NamedTensor>& all, const std::string& group, const Tensors& tensors) {
    for (const Parameter& p : tensors.table->all()) {
        all.push_back({group + "/" + p.name, tensors.view(p)});
    }
}

Json student_state(const Student& s) {
    return Json::object(
        {{"architecture", to_json(s.weights.architecture())},
         {"updates", s.optimiser.updates()},
         {"skipped", s.skipped},
         {"skipped_in_row", s.skipped_in_row},
         {"best_val_loss", std::isfinite(s.best_val_loss) ? Json(s.best_val_loss) : Json()},
         {"best_step", s.best_step},
         {"tap_variance", Json(s.loss.tap_variance())}});
}

}  // namespace

std::vector<NamedTensor> model_tensors(const Student& s) {
    std::vector<NamedTensor> all;
    add_tensors(all, "/students/" + s.name() + "/model", s.weights.parameters());
    return all;
}

std::vector<NamedTensor> checkpoint_tensors(const Students& students) {
    std::vector<NamedTensor> all;
    for (const auto& s : students) {
        const std::string group = "/students/" + s->name();
        add_tensors(all, group + "/model", s->weights.parameters());
        if (s->optimiser.has_moments()) {
            add_tensors(all, group + "/optim/m", s->optimiser.m());
            add_tensors(all, group + "/optim/v", s->optimiser.v());
        }
    }
    return all;
}

Json run_state(const Progress& progress, const Sources& sources, const Students& students) {
    Json all = Json::object();
    for (const auto& s : students) {
        all[s->name()] = student_state(*s);
    }
    return run_state(progress, sources, std::move(all));
}

Json run_state(const Progress& progress, const Sources& sources, Json students) {
    return Json::object({{"step", progress.step},
                         {"seconds", progress.seconds},
                         {"restarts", progress.restarts},
                         {"stale", progress.stale},
                         {"teacher", sources.teacher},
                         {"teacher_digest", sources.teacher_digest},
                         {"data_digest", sources.data_digest},
                         {"instruction_set", sources.instruction_set},
                         {"students", std::move(students)}});
}

Sources sources_of(const Json& state, const std::string& origin) {
    const auto text = [&](const char* key) {
        const Json* value = state.find(key);
        if (value == nullptr || !value->is_string()) {
            fail(ExitCode::bad_data, "{}: attribute `state` has no text {}", origin, key);
        }
        return value->as_string();
    };
    const bool old = state.find("instruction_set") == nullptr;  // a file before 2026-11-24
    return {text("teacher"), text("teacher_digest"), text("data_digest"),
            old ? "" : text("instruction_set")};
}

Progress restore(const Json& state, const std::string& origin, Students& students) {
    const Json& all = state.at("students");
    for (auto& s : students) {
        const Json* one = all.find(s->name());
        if (one == nullptr) {
            fail(ExitCode::bad_data, "{} has no student {}", origin, s->name());
        }
        s->optimiser.set_updates(one->at("updates").as_int());
        s->skipped = one->at("skipped").as_int();
        s->skipped_in_row = one->at("skipped_in_row").as_int();
        const Json& best = one->at("best_val_loss");
        s->best_val_loss =
            best.is_null() ? std::numeric_limits<double>::infinity() : best.as_double();
        s->best_step = one->at("best_step").as_int();
        std::vector<double> variance;
        for (const Json& x : one->at("tap_variance").as_array()) {
            variance.push_back(x.as_double());
        }
        s->loss.set_tap_variance(std::move(variance));
    }
    const Json* stale = state.find("stale");
    return {state.at("step").as_int(), state.at("seconds").as_double(),
            state.at("restarts").as_int(), stale != nullptr ? stale->as_int() : 0};
}

ModelState read_model_state(const h5::File& file, const std::string& student) {
    if (!file.is_group("/students") || !file.has_attribute("/", "state")) {
        fail(ExitCode::bad_data, "{} holds no model of ours: no /students or no attribute `state`",
             file.path());
    }
    const std::vector<std::string> names = file.children("/students");
    if (student.empty() && names.size() != 1) {
        fail(ExitCode::usage, "{} holds {} students; name one", file.path(), names.size());
    }
    ModelState out;
    out.student = student.empty() ? names.front() : student;
    const Json state = Json::parse(file.attribute_text("/", "state"), file.path());
    out.sources = sources_of(state, file.path());
    out.step = state.at("step").as_int();
    out.architecture = architecture_from_json(
        state.at("students").at(out.student).at("architecture"), file.path());
    return out;
}

}  // namespace lrd
