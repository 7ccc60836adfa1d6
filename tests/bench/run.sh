#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh [options of against_pytorch.py]: every row of the table of bars, or those of --rows; exit code 1
# below a bar. Builds its program first. Takes three quarters of an hour, in which nothing else may run.
# Needs LRD_TORCH_PYTHON (cmake/torch_python.sh makes one) and, for the caches of 64 windows, 4 GB in
# TMPDIR. LRD_TRAINED_TEACHER=RUN adds what the largest logits lose of a trained teacher.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -z "${LRD_TORCH_PYTHON:-}" ]; then
    echo "skipped: LRD_TORCH_PYTHON is not set"
    exit 77
fi
[ -f build/release/build.ninja ] || cmake --preset release >/dev/null
cmake --build build/release --target step_server -j 2 >/dev/null
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export PYTHONDONTWRITEBYTECODE=1
exec "$LRD_TORCH_PYTHON" tests/bench/against_pytorch.py build/release/tests/bench "$@"
