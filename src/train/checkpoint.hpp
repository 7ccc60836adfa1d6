// SPDX-License-Identifier: MIT
// Checkpoints: a directory ckpt/step-NNNNNNNN that is complete or not there. Only rank 0 saves: in
// data parallel all ranks hold the same state.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/state_file.hpp"

namespace lrd {

/// RUN/ckpt/step-NNNNNNNN
std::string checkpoint_directory(const std::string& run, std::int64_t step);
/// The steps that have such a directory, newest first, complete or not.
std::vector<std::int64_t> checkpoint_steps(const std::string& run);

class CheckpointStore {
public:
    /// `keep`: so many newest checkpoints stay (at least 1).
    CheckpointStore(std::string run_directory, std::int64_t keep);

    /// Saves the step in nine stages, in this order because a crash may come between any two:
    /// write state.h5; close; fsync; read back and compare; digest and manifest.json; fsync it;
    /// rename the directory, fsync its parent; rename `latest` into place; remove old ones. A step
    /// that is there and valid is left as it is; one that is there and is not, is replaced.
    /// Errors: io.
    void save(Backend& backend, std::int64_t step, std::span<const NamedTensor> tensors,
              const Json& state, const Provenance& provenance);

    struct Loaded {
        std::int64_t step;
        std::string directory;  // for load()
        Json state;             // what save() was given
        Provenance provenance;
    };
    /// The newest step whose manifest agrees with the sizes and SHA-256 of its files, whatever
    /// `latest` says; with a warning that names both if a newer one does not. None if there is no
    /// step at all. Errors: bad_data if there are steps but none is valid, or one is of a newer
    /// format: to start again from nothing is for the user to decide.
    std::optional<Loaded> newest_valid() const;

    /// Uploads by name from a directory that newest_valid() gave. Error(bad_data).
    static void load(Backend& backend, const std::string& directory,
                     std::span<const NamedTensor> tensors);

    /// Why `directory` cannot be used, or "" if its manifest agrees with its files.
    static std::string check(const std::string& directory);

private:
    std::string step_directory(std::int64_t step) const;
    void write_latest(std::int64_t step) const;
    void remove_stale() const;
    void prune(std::int64_t newest) const;

    std::string run_, root_;  // root_ = run_/ckpt
    std::int64_t keep_;
};

}  // namespace lrd
