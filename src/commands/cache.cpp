// SPDX-License-Identifier: MIT
#include "commands/cache.hpp"

#include <optional>

#include "commands/threads.hpp"
#include "core/check.hpp"
#include "train/fill_cache.hpp"

namespace lrd {

int cache(const Config& config, Communicator& world) {
    if (config.teacher.model.empty()) {
        fail(ExitCode::usage, "cache needs a teacher; set teacher.model");
    }
    if (config.teacher.cache == "none" || config.teacher.cache == "memory") {
        fail(ExitCode::usage, "teacher.cache = {} cannot be filled ahead; set it to a folder",
             config.teacher.cache);
    }
    set_threads(config.run.threads, world, config.run.pin);
    const std::unique_ptr<Backend> backend = make_backend(config.run.device, config.run.precision);
    return static_cast<int>(fill_cache(config, *backend, world));
}

}  // namespace lrd
