#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# against_pytorch_test.sh PROGRAMS: the comparison of a tiny model, where both sides have to agree and
# no time is judged; and that it sees an error: a KD term of another temperature is red.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${LRD_TORCH_PYTHON:-}" ]; then
    echo "skipped: LRD_TORCH_PYTHON is not set"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1 OMPI_MCA_rmaps_base_oversubscribe=1
"$LRD_TORCH_PYTHON" "$here/against_pytorch.py" "$1" --small --mode eager | tee "$work/out"
if [ -n "${LRD_TRAINED_TEACHER:-}" ]; then
    grep -q "of a trained teacher: K 16 of [0-9]*, missing mass 0\.[0-9]*, .*cosine 0\.[0-9]" "$work/out"
fi
wrong=$work/wrong
mkdir -p "$wrong/bench"
cp "$here"/*.py "$wrong/bench"
cp -r "$here/../reference" "$wrong/reference"
sed -i 's/tau\*\*2 \* F\.kl_div/tau * F.kl_div/' "$wrong/reference/lrc_torch.py"
if out=$("$LRD_TORCH_PYTHON" "$wrong/bench/against_pytorch.py" "$1" --small --mode eager \
    --rows online-fp32); then
    echo "a wrong KD term was not seen"
    exit 1
fi
grep -q "FAIL: the sides differ.* kd of student 0" <<<"$out"
