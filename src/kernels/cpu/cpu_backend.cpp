// SPDX-License-Identifier: MIT
#include "kernels/cpu/cpu_backend.hpp"

#include "kernels/cpu/team.hpp"

namespace lrd {

CpuBackend::CpuBackend() : team_(std::make_unique<Team>()) {}
CpuBackend::~CpuBackend() = default;

}  // namespace lrd
