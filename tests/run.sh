#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Everything that proves lrd: installs what is missing, builds, tests.
#
#   bash tests/run.sh             all tests but the slow ones
#   bash tests/run.sh --all       these too
#   bash tests/run.sh -L LABEL    tests of one label: unit, gradients, reference, mpi, house, …
#
# LRD_DATA names the folder of test data, LRD_TORCH_PYTHON a Python with PyTorch and transformers
# (cmake/torch_python.sh makes one); tests that need them skip with a message without.
set -euo pipefail
cd "$(dirname "$0")/.."

selection=(-LE '^slow$')
label=()
while [ $# -gt 0 ]; do
    case "$1" in
        --all) selection=() ;;
        -L) label=(-L "${2:?-L needs a label}"); shift ;;
        *) sed -n '3,11s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
    esac
    shift
done

if [ "$(id -u)" = 0 ]; then  # Open MPI refuses root otherwise; a container has nobody else
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
if command -v ccache >/dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER="${CMAKE_CXX_COMPILER_LAUNCHER-ccache}"
fi

bash cmake/bootstrap.sh
echo "run: configuring and building (preset release)"
cmake --preset release
cmake --build --preset release
echo "run: testing"
ctest --preset release -j 2 ${selection[@]+"${selection[@]}"} ${label[@]+"${label[@]}"}
