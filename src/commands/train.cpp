// SPDX-License-Identifier: MIT
#include "commands/train.hpp"

#include <filesystem>
#include <memory>
#include <new>

#include "commands/threads.hpp"
#include "commands/version.hpp"
#include "core/check.hpp"
#include "io/json.hpp"
#include "io/publish.hpp"
#include "train/run.hpp"

namespace lrd {
namespace {

/// Rank 0 writes where the run stands, unless status.json says so already.
void write_status(const Communicator& world, const Config& config, const Run& run,
                  const std::string& state, ExitCode code) {
    const std::string file = config.run.out + "/status.json";
    if (world.rank() != 0) {
        return;
    }
    if (state == "done" && std::filesystem::exists(file) &&
        Json::parse(read_text(file), file).at("state").as_string() == state) {
        return;
    }
    RunDirectory::write_status(config.run.out, {.state = state,
                                                .code = code,
                                                .step = run.progress().step,
                                                .steps = config.train.steps,
                                                .last_checkpoint = run.last_checkpoint(),
                                                .reason = run.stop_reason()});
}

/// status.json for a run that ends with an error, from whichever rank noticed it. What was wrong
/// before the first step says nothing about a run that stands there already.
void write_failure(const Config& config, const Run* run, ExitCode code, const std::string& reason,
                   int rank) {
    if (run == nullptr && std::filesystem::exists(config.run.out + "/status.json")) {
        return;
    }
    RunDirectory::Status status{.state = "failed",
                                .code = code,
                                .steps = config.train.steps,
                                .reason = reason,
                                .first_failing_rank = rank};
    if (run != nullptr) {
        status.step = run->progress().step;
        status.last_checkpoint = run->last_checkpoint();
    }
    try {
        RunDirectory::write_status(config.run.out, status);
    } catch (const Error&) {  // the error that led here is what matters
    }
}

}  // namespace

int train(const Config& config, Communicator& world) {
    const std::int64_t threads = set_threads(config.run.threads, world, config.run.pin);
    log::info("lrd {}: {} rank(s) × {} thread(s)", code_version(), world.size(), threads);
    std::unique_ptr<RunDirectory> directory;
    if (world.rank() == 0) {
        if (!config.run.profile.empty()) {
            require_publishable(config.run.profile);
        }
        directory = std::make_unique<RunDirectory>(config.run.out);
    }
    world.barrier();  // from here on the directory is ours
    const std::unique_ptr<Backend> backend = make_backend(config.run.device, config.run.precision);
    std::unique_ptr<Run> run;
    try {
        run = std::make_unique<Run>(config, code_version(), *backend, world, directory.get());
        if (run->complete()) {
            log::info("{} is complete: {} steps", config.run.out, run->progress().step);
        } else {
            write_status(world, config, *run, "running", ExitCode::done);
            world.barrier();  // before another rank may write that it failed
        }
        const ExitCode code = run->complete() ? ExitCode::done : run->execute();
        write_status(world, config, *run, code == ExitCode::done ? "done" : "stopped", code);
        return static_cast<int>(code);
    } catch (const Error& error) {
        write_failure(config, run.get(), error.code(), error.what(), world.rank());
        throw;
    } catch (const std::bad_alloc&) {
        write_failure(config, run.get(), ExitCode::out_of_memory, "out of memory", world.rank());
        throw;
    } catch (const std::exception& error) {
        write_failure(config, run.get(), ExitCode::internal, error.what(), world.rank());
        throw;
    }
}

}  // namespace lrd
