// SPDX-License-Identifier: MIT
// The options of the commands: names, help and ranges, each once. Those of a run are in config.
#pragma once

#include <string>
#include <vector>

#include "commands/bench.hpp"
#include "commands/eval.hpp"
#include "commands/export.hpp"
#include "commands/generate.hpp"
#include "commands/import.hpp"
#include "commands/inspect.hpp"
#include "commands/plan.hpp"
#include "commands/prepare.hpp"
#include "config/option.hpp"

namespace lrd {

/// prepare's --split takes NAME=X; it is kept as text until the command runs.
struct PrepareArguments {
    PrepareOptions options;
    std::vector<std::string> splits;
};

std::vector<Option> options_of(PrepareArguments& arguments);
std::vector<Option> options_of(PlanOptions& options);
std::vector<Option> options_of(EvalOptions& options);
std::vector<Option> options_of(GenerateOptions& options);
std::vector<Option> options_of(ImportOptions& options);
std::vector<Option> options_of(ExportOptions& options);
std::vector<Option> options_of(InspectOptions& options);
std::vector<Option> options_of(BenchOptions& options);

}  // namespace lrd
