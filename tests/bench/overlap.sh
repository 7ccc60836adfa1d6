#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# overlap.sh [RANKS]: exposed communication of steps that overlap the reduction of gradients with the
# backward pass, beside the same reduction alone; each by its lower quartile, of the rank that waited
# least. What `share` lacks to 100 % is what the overlap hides.
# Builds its program first, in build/release.
set -euo pipefail
cd "$(dirname "$0")/../.."
cmake --build build/release --target overlap_bench -j 2 >/dev/null
# Two ranks on two cores that spin while they wait would take each other's time.
OMPI_MCA_mpi_yield_when_idle=1 mpirun --oversubscribe -n "${1:-2}" build/release/tests/bench/overlap_bench
