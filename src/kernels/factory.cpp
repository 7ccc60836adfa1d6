// SPDX-License-Identifier: MIT
#include "core/check.hpp"
#include "kernels/backend.hpp"
#include "kernels/cpu/cpu_backend.hpp"

namespace lrd {

DType stored_in(const std::string& precision) {
    if (precision == "fp32") {
        return DType::f32;
    }
    if (precision == "auto") {
        return CpuBackend::has_bf16() ? DType::bf16 : DType::f32;
    }
    if (precision != "bf16") {
        fail(ExitCode::usage, "run.precision = \"{}\" is not one of auto, fp32 and bf16",
             precision);
    }
    if (!CpuBackend::has_bf16()) {
        fail(ExitCode::usage,
             "run.precision = bf16 needs a processor that multiplies it (AVX512-BF16 or AMX); this "
             "one has {}: set fp32",
             CpuBackend().instruction_set());
    }
    return DType::bf16;
}

std::unique_ptr<Backend> make_backend(const std::string& device, const std::string& precision) {
    if (device == "auto" || device == "cpu") {
        return std::make_unique<CpuBackend>(stored_in(precision));
    }
    fail(ExitCode::usage, "run.device = \"{}\" is not there; this build has auto and cpu", device);
}

}  // namespace lrd
