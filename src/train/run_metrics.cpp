// SPDX-License-Identifier: MIT
#include "train/run_metrics.hpp"

#include <fmt/core.h>

#include <utility>

namespace lrd {
namespace {

std::string group_of(const Student& student, const std::string& split) {
    return "/students/" + student.name() + "/" + split;
}

std::vector<Column> loss_columns() {
    return {{"loss", "nat per token", "weighted sum of the terms"},
            {"loss_kd", "nat per token", "tau^2 KL(teacher || student)"},
            {"loss_lm", "nat per token", "cross-entropy of the next token"},
            {"loss_clone", "1", "distance to the teacher's activations, reduced, without weight"}};
}

/// Together the phases are the step.
std::vector<Column> phase_columns() {
    const auto seconds = [](const std::string& name, const std::string& what) {
        return Column{name,          "s", "time of rank 0 since the row before in " + what,
                      h5::Type::f64, {},  true};
    };
    std::vector<Column> columns{seconds("step_s", "steps, their phases together")};
    for (const char* name : phase_names) {
        columns.push_back(seconds(fmt::format("{}_s", name), fmt::format("the phase {}", name)));
    }
    return columns;
}

void add_groups(std::vector<ColumnGroup>& groups, const Student& student, const std::string& split,
                std::vector<Column> columns) {
    groups.push_back({group_of(student, split), std::move(columns)});
    // A column with axes of its own lies apart, so that a group of scalars is a table.
    const auto layers = static_cast<std::uint64_t>(student.model.config().L);
    groups.push_back({group_of(student, split + "_tap"),
                      {{"loss_clone_tap",
                        "1",
                        "clone distance per layer and tap (0 hidden, 1 attention)",
                        h5::Type::f64,
                        {{"layer", layers}, {"tap", taps_per_layer}}}}});
}

std::vector<ColumnGroup> groups_of(const Students& students,
                                   const std::vector<std::string>& splits) {
    std::vector<ColumnGroup> groups{
        {"/train",
         {{"tokens", "token", "tokens seen since step 0"},
          {"flops", "FLOP", "model FLOPs since step 0; of a cached teacher as if computed"},
          {"time_s", "s", "training time since step 0, over all starts", h5::Type::f64, {}, true},
          {"comm_exposed_s",
           "s",
           "time since the row before in which rank 0 did nothing but reduce gradients",
           h5::Type::f64,
           {},
           true}}},
        {"/phases", phase_columns()}};
    for (const auto& student : students) {
        std::vector<Column> train = loss_columns();
        train.push_back({"lr", "1", "learning rate of the update"});
        train.push_back({"grad_norm", "1", "L2 norm of the gradient before clipping"});
        train.push_back({"skipped", "update", "updates skipped so far, not finite", h5::Type::i64});
        add_groups(groups, *student, "train", std::move(train));
        for (const std::string& split : splits) {
            add_groups(groups, *student, split, loss_columns());
        }
    }
    return groups;
}

Json terms_json(const LossTerms& t) {
    return Json::object(
        {{"loss", t.loss}, {"loss_kd", t.kd}, {"loss_lm", t.lm}, {"loss_clone", t.clone}});
}

}  // namespace

RunMetrics::RunMetrics(const std::string& run_directory, const Students& students,
                       const std::vector<std::string>& splits,
                       std::vector<std::pair<std::string, std::string>> attributes)
    : writer_(run_directory, groups_of(students, splits), std::move(attributes)) {}

void RunMetrics::train_row(std::int64_t step, double tokens, double flops, Seconds seconds,
                           const Students& students, const std::vector<StudentReport>& reports) {
    writer_.append("/train", step,
                   Json::object({{"tokens", tokens},
                                 {"flops", flops},
                                 {"time_s", seconds.training},
                                 {"comm_exposed_s", seconds.comm_exposed}}));
    for (std::size_t k = 0; k < students.size(); ++k) {
        Json row = terms_json(reports[k].terms);
        row["lr"] = reports[k].lr;
        row["grad_norm"] = reports[k].grad_norm;
        row["skipped"] = students[k]->skipped;
        writer_.append(group_of(*students[k], "train"), step, row);
        if (students[k]->loss.settings().clone != 0.0) {
            writer_.append(group_of(*students[k], "train_tap"), step,
                           Json::object({{"loss_clone_tap", Json(reports[k].terms.clone_tap)}}));
        }
    }
}

void RunMetrics::phases_row(std::int64_t step, double step_seconds, const Phases& phases) {
    Json row = Json::object({{"step_s", step_seconds}});
    for (std::size_t i = 0; i < phase_names.size(); ++i) {
        row[fmt::format("{}_s", phase_names[i])] = phases.seconds()[i];
    }
    writer_.append("/phases", step, row);
}

void RunMetrics::eval_row(std::int64_t step, const std::string& split, const Students& students,
                          const std::vector<LossTerms>& terms) {
    for (std::size_t k = 0; k < students.size(); ++k) {
        writer_.append(group_of(*students[k], split), step, terms_json(terms[k]));
        if (students[k]->loss.settings().clone != 0.0) {
            writer_.append(group_of(*students[k], split + "_tap"), step,
                           Json::object({{"loss_clone_tap", Json(terms[k].clone_tap)}}));
        }
    }
}

}  // namespace lrd
