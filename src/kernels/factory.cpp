// SPDX-License-Identifier: MIT
#include "core/check.hpp"
#include "kernels/backend.hpp"
#include "kernels/cpu/cpu_backend.hpp"

namespace lrd {

std::unique_ptr<Backend> make_backend(const std::string& device) {
    if (device == "auto" || device == "cpu") {
        return std::make_unique<CpuBackend>();
    }
    fail(ExitCode::usage, "run.device = \"{}\" is not there; this build has auto and cpu", device);
}

}  // namespace lrd
