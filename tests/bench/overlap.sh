#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# overlap.sh [RANKS]: communication of steps that overlap the reduction of gradients with the backward
# pass (what metrics.h5 calls comm_exposed_s), beside the same reduction alone; each by its lower
# quartile, of the rank that waited least. Through shared memory the ranks' own cores copy and add,
# which no overlap can hide; through TCP there is something to wait for. Builds its program first.
set -euo pipefail
cd "$(dirname "$0")/../.."
cmake --build build/release --target overlap_bench -j 2 >/dev/null
# Two ranks on two cores that spin while they wait would take each other's time.
export OMPI_MCA_mpi_yield_when_idle=1
for transport in vader,self tcp,self; do
    echo "Open MPI over $transport, ${1:-2} ranks"
    OMPI_MCA_pml=ob1 OMPI_MCA_btl=$transport \
        mpirun --oversubscribe -n "${1:-2}" build/release/tests/bench/overlap_bench
done
