// SPDX-License-Identifier: MIT
// What a checkpoint holds besides tensors, as JSON, and where its tensors lie.
#pragma once

#include <string>
#include <vector>

#include "io/hdf5.hpp"
#include "io/json.hpp"
#include "train/checkpoint.hpp"
#include "train/trainer.hpp"

namespace lrd {

/// Where a run stands.
struct Progress {
    std::int64_t step = 0;
    double seconds = 0.0;  // of training, over all starts
    std::int64_t restarts = 0;
    std::int64_t stale = 0;  // evaluations since the last one with a better student
};

/// Path and place of every tensor of a student that a checkpoint holds:
/// /students/<name>/{model,optim/m,optim/v}/<weight>.
std::vector<NamedTensor> model_tensors(const Student& student);
std::vector<NamedTensor> checkpoint_tensors(const Students& students);

/// What a run is made from, besides its settings: its continuation must find the same.
struct Sources {
    std::string teacher;          // MODEL, or ""
    std::string teacher_digest;   // of its weights
    std::string data_digest;      // of the tokens
    std::string instruction_set;  // of the machine: run.reproducible needs the same
};

/// {"step", "seconds", "restarts", "stale", "teacher", "teacher_digest", "data_digest",
///  "instruction_set",
///  "students": {name: {"architecture", "updates", "skipped", …}}}
Json run_state(const Progress& progress, const Sources& sources, const Students& students);
Json run_state(const Progress& progress, const Sources& sources, Json students);
Sources sources_of(const Json& state, const std::string& origin);  ///< Error(bad_data)
/// Puts back what run_state() took; Error(bad_data) naming `origin`.
Progress restore(const Json& state, const std::string& origin, Students& students);

/// What a reader of one model needs to know.
struct ModelState {
    std::string student;
    Sources sources;
    std::int64_t step = -1;
    Architecture architecture;
};
/// `student` "" takes the only one.
ModelState read_model_state(const h5::File& file, const std::string& student);

}  // namespace lrd
