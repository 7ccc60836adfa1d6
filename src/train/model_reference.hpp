// SPDX-License-Identifier: MIT
// MODEL on the command line and in TOML: RUN, RUN:student, RUN:student@step, RUN@step (@best, @last), a model
// file (.h5) or a directory of Hugging Face.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "comm/node_memory.hpp"
#include "data/token_files.hpp"
#include "model/weights.hpp"

namespace lrd {

/// Where a model's tensors are.
struct ModelLocation {
    std::string hugging_face;    // the directory, or "": then the next two count
    std::string file;            // state.h5, best/<student>.h5 or another model file
    std::string group;           // "/students/<name>/model"
    std::string teacher;         // MODEL of the run's teacher, or "" (lifted forms need it)
    std::string teacher_digest;  // what its weights were
    std::string run;             // the run directory, or ""
    std::string name;            // as given, for messages and tables
    std::int64_t step = -1;
    Architecture architecture;
};

/// Errors: missing_input (no such run, student or step: says which there are), bad_data.
ModelLocation locate_model(const std::string& reference);

/// A model ready to run, with the teacher that its lifted forms read.
struct LoadedModel {
    std::unique_ptr<Weights> teacher;  // null unless needed
    std::unique_ptr<Weights> weights;
};

/// Folder of the tokenizer that the model was trained with, or "" if none is known: RUN/tokenizer,
/// FILE.tokenizer beside a model file, a directory of Hugging Face itself.
std::string tokenizer_folder(const ModelLocation& location);

/// Fills every trained tensor of `weights`, whose architecture is the location's.
void load_weights(const ModelLocation& location, Weights& weights);

LoadedModel load_model(Backend& backend, const ModelLocation& location);
LoadedModel load_model(Backend& backend, const std::string& reference);

/// Error(bad_data) if the model is known to have another tokenizer than the tokens.
void check_same_tokenizer(const ModelLocation& location, const TokenFiles& tokens);

/// Error(bad_data) unless the teacher reads these tokens, in windows of `context`.
void check_teacher_reads(const Gpt2Config& teacher, const std::string& reference,
                         const TokenFiles& tokens, std::int64_t context);

/// A teacher of this size, without values: for plans.
std::unique_ptr<Weights> blank_teacher(Backend& backend, const std::string& reference);

/// A model as a teacher: merged to dense, whatever its forms are.
/// With `memory` its tensors stand there: one rank of a node reads them, all ranks of the node call.
std::unique_ptr<Weights> load_teacher(Backend& backend, const std::string& reference,
                                      NodeMemory* memory = nullptr);

/// A teacher that stands once per node, where its memory allows. Collective.
struct SharedTeacher {
    std::unique_ptr<NodeMemory> memory;
    std::unique_ptr<Weights> weights;
    std::string digest;  // of the weights, as the rank that read them found it
};
SharedTeacher load_shared_teacher(Backend& backend, Communicator& world,
                                  const std::string& reference);

}  // namespace lrd
