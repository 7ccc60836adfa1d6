// SPDX-License-Identifier: MIT
#pragma once

namespace lrd {

/// Threads of LAPACK. OpenBLAS counts the cores that a launcher bound the process to, unless told;
/// the last bits of a decomposition would then depend on the launcher.
void set_linalg_threads(int threads);

}  // namespace lrd
