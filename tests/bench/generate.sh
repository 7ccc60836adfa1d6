#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tokens/s of `lrd generate` with its cache and of a whole forward pass for every token, in turns, for
# a GPT-2-small-shaped model and a student of rank 58. Fails if the two make other ids.
#
#   bash tests/bench/generate.sh [THREADS]
set -euo pipefail
cd "$(dirname "$0")/../.."

cmake --build build/release --target generate_speed >&2
build/release/tests/bench/generate_speed "${1:-$(nproc)}"
