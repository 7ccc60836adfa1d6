// SPDX-License-Identifier: MIT
#include "train/checkpoint.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>

#include "core/check.hpp"
#include "core/log.hpp"
#include "io/digest.hpp"
#include "io/hdf5.hpp"
#include "io/publish.hpp"
#include "train/process.hpp"

namespace lrd {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t format_version = 1;
constexpr const char* state_name = "/state.h5";
constexpr const char* manifest_name = "/manifest.json";
constexpr std::string_view step_prefix = "step-";
constexpr std::string_view temporary_prefix = ".tmp-";

/// Two jobs in one run directory would be an error, but must not write into each other's file.
std::string writer_name() {
    const std::string job = job_id();
    return fmt::format("{}{}{}", job, job.empty() ? "" : "-", ::getpid());
}

std::string make_manifest(const std::string& state_file, std::int64_t step,
                          const TensorHashes& hashes, const Provenance& provenance) {
    Json tensors = Json::object();
    for (const auto& [path, hash] : hashes) {
        tensors[path] = hash;
    }
    const Json file = Json::object({{"name", fs::path(state_file).filename().string()},
                                    {"size", fs::file_size(state_file)},
                                    {"sha256", sha256_file(state_file)}});
    return Json::object({{"format_version", format_version},
                         {"step", step},
                         {"world_size", provenance.world_size},
                         {"config_sha256", provenance.config_sha256},
                         {"code_version", provenance.code_version},
                         {"files", Json::array({file})},
                         {"tensors", tensors}})
               .dump(2) +
           "\n";
}

void check_version(const Json& manifest, const std::string& path) {
    const std::int64_t version = manifest.at("format_version").as_int();
    if (version > format_version) {
        fail(ExitCode::bad_data,
             "{}: format_version {} is newer than {}, the newest this program reads; use the "
             "program that wrote it ({})",
             path, version, format_version, manifest.at("code_version").as_string());
    }
}

void check_files(const Json& manifest, const std::string& directory) {
    for (const Json& file : manifest.at("files").as_array()) {
        const std::string& name = file.at("name").as_string();
        if (name.empty() || name.find('/') != std::string::npos) {
            fail(ExitCode::bad_data, "the manifest names a file \"{}\"", name);
        }
        const std::string path = directory + "/" + name;
        std::error_code error;
        const std::uintmax_t size = fs::file_size(path, error);
        const std::int64_t expected = file.at("size").as_int();
        if (error || size != static_cast<std::uintmax_t>(expected)) {
            fail(ExitCode::bad_data, "{} has {} bytes instead of {}", name,
                 error ? "no" : std::to_string(size), expected);
        }
        if (sha256_file(path) != file.at("sha256").as_string()) {
            fail(ExitCode::bad_data, "the SHA-256 of {} is not the one in the manifest", name);
        }
    }
}

/// A warning, not an error: the new checkpoint stands whether or not an old one could be removed.
void remove_all(const std::string& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) {
        log::warning("{}: could not be removed: {}", path, error.message());
    }
}

}  // namespace

std::string checkpoint_directory(const std::string& run, std::int64_t step) {
    return fmt::format("{}/ckpt/{}{:08}", run, step_prefix, step);
}

std::vector<std::int64_t> checkpoint_steps(const std::string& run) {
    std::vector<std::int64_t> steps;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(run + "/ckpt", error)) {
        const std::string name = entry.path().filename().string();
        std::int64_t step = 0;
        if (!name.starts_with(step_prefix)) {
            continue;
        }
        const char* end = name.data() + name.size();
        const auto parsed = std::from_chars(name.data() + step_prefix.size(), end, step);
        if (parsed.ec == std::errc{} && parsed.ptr == end) {
            steps.push_back(step);
        }
    }
    std::sort(steps.begin(), steps.end(), std::greater<>());
    return steps;
}

CheckpointStore::CheckpointStore(std::string run_directory, std::int64_t keep)
    : run_(std::move(run_directory)),
      root_(run_ + "/ckpt"),
      keep_(std::max<std::int64_t>(1, keep)) {}

std::string CheckpointStore::step_directory(std::int64_t step) const {
    return checkpoint_directory(run_, step);
}

std::string CheckpointStore::check(const std::string& directory) {
    Json manifest;
    try {
        const std::string path = directory + manifest_name;
        manifest = Json::parse(read_text(path), path);
        manifest.at("format_version").as_int();
    } catch (const Error& error) {
        return error.what();
    }
    check_version(manifest, directory + manifest_name);  // not damage: this one throws
    try {
        check_files(manifest, directory);
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

void CheckpointStore::save(Backend& backend, std::int64_t step,
                           std::span<const NamedTensor> tensors, const Json& state,
                           const Provenance& provenance) {
    make_directories(root_);
    remove_stale();
    const std::string final_directory = step_directory(step);
    if (fs::exists(final_directory)) {
        if (check(final_directory).empty()) {
            write_latest(step);
            return;
        }
        // Its name is given up before the new one is complete, but as a checkpoint it was lost.
        std::error_code error;
        const std::string aside = fmt::format("{}/{}broken-{}", root_, temporary_prefix, step);
        fs::rename(final_directory, aside, error);
        if (error) {
            fail(ExitCode::io, "{}: is damaged and cannot be replaced: {}", final_directory,
                 error.message());
        }
    }
    const std::string directory =
        fmt::format("{}/{}step-{:08}-{}", root_, temporary_prefix, step, writer_name());
    make_directories(directory);
    const std::string file = directory + state_name;
    const TensorHashes hashes = write_state_file(backend, file, tensors, state, provenance);
    write_text_and_fsync(directory + manifest_name, make_manifest(file, step, hashes, provenance));
    publish_directory(directory, final_directory);
    write_latest(step);
    prune(step);
}

/// For people and scripts; a file and not a symbolic link, since those are not renamed everywhere.
void CheckpointStore::write_latest(std::int64_t step) const {
    publish_text(run_ + "/latest", fmt::format("ckpt/{}{:08}\n", step_prefix, step));
}

/// What an interrupted save or removal left behind.
void CheckpointStore::remove_stale() const {
    std::error_code error;
    std::vector<std::string> stale;
    for (const auto& entry : fs::directory_iterator(root_, error)) {
        if (entry.path().filename().string().starts_with(temporary_prefix)) {
            stale.push_back(entry.path().string());
        }
    }
    std::for_each(stale.begin(), stale.end(), remove_all);
}

/// `newest` was verified just now and stays; steps after it (there may be broken ones) too.
void CheckpointStore::prune(std::int64_t newest) const {
    std::int64_t kept = 0;
    for (const std::int64_t step : checkpoint_steps(run_)) {
        // Step 0 is the untrained model, which others compare with.
        if (step == 0 || step > newest || ++kept <= keep_) {
            continue;
        }
        // Renamed first, so that nobody ever sees half of a checkpoint under its name.
        const std::string gone = fmt::format("{}/{}old-{:08}", root_, temporary_prefix, step);
        std::error_code error;
        fs::rename(step_directory(step), gone, error);
        if (error) {
            log::warning("{}: could not be removed: {}", step_directory(step), error.message());
        } else {
            remove_all(gone);
        }
    }
    remove_stale();
}

std::optional<CheckpointStore::Loaded> CheckpointStore::newest_valid() const {
    std::string refused;
    for (const std::int64_t step : checkpoint_steps(run_)) {
        const std::string directory = step_directory(step);
        const std::string problem = check(directory);
        if (!problem.empty()) {
            refused += fmt::format("{}{} ({})", refused.empty() ? "" : ", ", directory, problem);
            continue;
        }
        if (!refused.empty()) {
            log::warning("{} cannot be used; going on from {} instead", refused, directory);
        }
        const h5::File file = h5::File::open(directory + state_name);
        return Loaded{step, directory, Json::parse(file.attribute_text("/", "state"), file.path()),
                      Provenance{file.attribute_int("/", "world_size"),
                                 file.attribute_text("/", "config_toml"),
                                 file.attribute_text("/", "config_sha256"),
                                 file.attribute_text("/", "code_version")}};
    }
    if (!refused.empty()) {
        fail(ExitCode::bad_data,
             "no checkpoint can be used: {}; put one back, or move {} away to start from nothing",
             refused, root_);
    }
    return std::nullopt;
}

void CheckpointStore::load(Backend& backend, const std::string& directory,
                           std::span<const NamedTensor> tensors) {
    read_state_file(backend, directory + state_name, tensors);
}

}  // namespace lrd
