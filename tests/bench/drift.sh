#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Does a run get slower while it goes on? Tokens per second of the first and the last 50 of 200 steps,
# medians. Exits 1 where the last are more than 3 % slower. It runs alone.
#
# usage: drift.sh [LRD_BINARY]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
lrd=$(realpath "${1:-$here/../../build/release/lrd}")
python=/usr/bin/python3
[ -x "$python" ] || python=python3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

"$python" - <<'PYTHON'
import random
draw = random.Random(1)
words = ["".join(draw.choices("abcdefgh", k=draw.randint(2, 6))) for _ in range(200)]
with open("text.txt", "w") as file:
    for _ in range(400):
        file.write(" ".join(draw.choices(words, k=120)) + "\n\n")
PYTHON
cat > run.toml <<'TOML'
[data]
tokens = "tokens"
context = 128
eval = []
[teacher]
model = "teacher"
[model]
layers = 4
width = 256
heads = 4
[train]
steps = 200
global_batch = 8
micro_batch = 4
log_every = 1
eval_every = 0
checkpoint_every = 1000
[[student]]
name = "lrc"
form = "lifted"
rank = 16
embedding_rank = 16
TOML
sed -e '/^\[teacher\]/,/^model/d' -e 's/^steps = .*/steps = 1/' -e '/^\[\[student/,$d' run.toml > teacher.toml
printf '[[student]]\nname = "teacher"\nform = "dense"\nloss.kd = 0\nloss.clone = 0\n' >> teacher.toml
"$lrd" prepare --text text.txt --tokenizer train:600 --out tokens > log 2>&1 || { cat log; exit 1; }
"$lrd" train teacher.toml --out teacher > log 2>&1 || { cat log; exit 1; }
"$lrd" train run.toml --out run > log 2>&1 || { cat log; exit 1; }

"$python" - run/metrics.h5 <<'PYTHON'
import statistics
import sys

import h5py

with h5py.File(sys.argv[1]) as file:
    seconds = file["phases/step_s"][:]
tokens = 8 * 128
first, last = (tokens / statistics.median(part) for part in (seconds[:50], seconds[-50:]))
print(f"tokens per second: steps 1-50 {first:.0f}, steps {len(seconds) - 49}-{len(seconds)} {last:.0f}, "
      f"ratio {last / first:.3f} (at least 0.97)")
quick = [sorted(part)[5] for part in (seconds[:50], seconds[-50:])]
print(f"the sixth fastest of each, which others on the machine disturb least: {quick[0] / quick[1]:.3f}")
sys.exit(0 if len(seconds) == 200 and last >= 0.97 * first else 1)
PYTHON
