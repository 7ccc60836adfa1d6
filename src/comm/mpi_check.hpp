// SPDX-License-Identifier: MIT
#pragma once

#include <mpi.h>

namespace lrd {
/// Throws Error(internal) with the call and MPI's own text unless `code` is MPI_SUCCESS.
void check_mpi(int code, const char* call);
}  // namespace lrd

#define LRD_MPI_CHECK(call) ::lrd::check_mpi((call), #call)
