#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# reproducible.sh [RANKS [ROUNDS]]: what run.reproducible costs. The same run with and without it, by
# turns, at one thread per rank; prints seconds per step of each (the median over all rounds, from
# metrics.h5) and the ratio. The aim is below 1.15 at two ranks.
set -euo pipefail
cd "$(dirname "$0")/../.."
ranks=${1:-2} rounds=${2:-3}
cmake --build build/release --target lrd -j 2 >/dev/null
python=$(sed -n 's/^LRD_PYTHON:[A-Z]*=//p' build/release/CMakeCache.txt)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
exec 3>&1 >/dev/null

for i in $(seq 20000); do echo "word$((i * 7919 % 613)) and word$((i * 104729 % 389)) ."; ((i % 20)) || echo; done >"$folder/text.txt"
build/release/lrd prepare --text "$folder/text.txt" --tokenizer train:800 --out "$folder/tokens" --val 0.02
cat >"$folder/teacher.toml" <<TOML
[data]
tokens = "$folder/tokens"
context = 128
[model]
layers = 4
width = 256
heads = 4
[train]
steps = 0
[[student]]
name = "teacher"
form = "dense"
loss.kd = 0.0
loss.clone = 0.0
TOML
cat >"$folder/run.toml" <<TOML
[run]
threads = 1
[data]
tokens = "$folder/tokens"
context = 128
[teacher]
model = "$folder/teacher"
[train]
steps = 8
global_batch = 32
micro_batch = 4
log_every = 1
eval_every = 0
[[student]]
name = "lrc"
form = "lifted"
rank = 64
embedding_rank = 64
TOML
build/release/lrd train "$folder/teacher.toml" --out "$folder/teacher"
for round in $(seq "$rounds"); do
    for reproducible in false true; do
        OMPI_MCA_mpi_yield_when_idle=1 mpirun --oversubscribe -n "$ranks" build/release/lrd train \
            "$folder/run.toml" --out "$folder/$reproducible-$round" --run.reproducible=$reproducible
    done
done
"$python" - "$folder" "$ranks" >&3 <<'PYTHON'
import glob
import sys

import h5py
import numpy as np

folder, ranks = sys.argv[1:]
seconds = {}
for kind in ("false", "true"):
    steps = []
    for path in glob.glob(f"{folder}/{kind}-*/metrics.h5"):
        with h5py.File(path) as file:
            steps.append(np.diff(file["train/time_s"][:]))
    seconds[kind] = np.median(np.concatenate(steps))
print(f"{ranks} ranks: default {1e3 * seconds['false']:.1f} ms per step, reproducible "
      f"{1e3 * seconds['true']:.1f} ms, ratio {seconds['true'] / seconds['false']:.3f}")
PYTHON
