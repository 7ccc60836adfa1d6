// SPDX-License-Identifier: MIT
#include "kernels/cpu/cpu_backend.hpp"

#include "kernels/cpu/team.hpp"

namespace lrd {

CpuBackend::CpuBackend(DType stored) : Backend(stored), team_(std::make_unique<Team>()) {}
CpuBackend::~CpuBackend() = default;

bool CpuBackend::has_bf16() { return product_has_bf16(); }

// Own loops follow the processor (LRD_HOT), oneDNN the processor and ONEDNN_MAX_CPU_ISA.
std::string CpuBackend::instruction_set() const {
    std::string loops = "plain";
#if defined(__x86_64__)
    loops = __builtin_cpu_supports("avx512f") != 0 ? "avx512"
            : __builtin_cpu_supports("avx2") != 0  ? "avx2"
                                                   : "sse2";
#endif
    return "cpu, " + loops + ", oneDNN " + product_instruction_set();
}

}  // namespace lrd
