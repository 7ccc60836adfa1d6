#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Memory and speed of `lrd prepare` on text that is made here: WikiText-2 again and again, every time with
# other numbers, so that no two documents are equal.
#
#   tests/bench/prepare_memory.sh LRD [MEGABYTES…]      default: 200 1000; needs LRD_DATA
#
# Prints for 1 and 2 threads and 1 and 2 ranks: seconds, and the largest resident memory of a rank in MB,
# while a tokenizer is trained and with one that is given; then how long a second call takes.
set -euo pipefail
lrd=$(realpath "$1")
shift
sizes=("${@:-200}")
[ $# -gt 0 ] || sizes=(200 1000)
: "${LRD_DATA:?names the folder with wikitext-2/}"
read -ra mpirun <<<"${LRD_MPIEXEC:-mpirun --oversubscribe -n}"
work=$(mktemp -d "${TMPDIR:-/tmp}/prepare_memory.XXXXXX")
trap 'rm -rf "$work"' EXIT

make_text() {  # MEGABYTES FILE
    python3 - "$LRD_DATA/wikitext-2/wiki.train.tokens" "$1" "$2" <<'PYTHON'
import re, sys
text, most, path = open(sys.argv[1], encoding="utf-8").read(), int(sys.argv[2]) * 10**6, sys.argv[3]
size = round_ = 0
with open(path, "w", encoding="utf-8") as out:
    while size < most:
        again = re.sub(r"\b\d+\b", lambda m: str(int(m[0]) + 7 * round_), text) if round_ else text
        again = again.replace(" the ", f" the{round_} ", 3000)
        size += out.write(again)
        round_ += 1
PYTHON
}

# The largest VmHWM of the processes of one command, asked for five times a second.
watch() {  # SECONDS_AND_PEAK_FILE command…
    local file=$1 start=$EPOCHREALTIME
    shift
    "$@" 2>"$work/err" &
    python3 - $! >"$work/peak" <<'PYTHON'
import pathlib, sys, time
root, peak = sys.argv[1], 0
def family(pid):
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid] + [one for child in children for one in family(child)]
while True:
    alive = False
    for pid in family(root):
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        alive = alive or "State:\tZ" not in status
        if "Name:\tlrd" in status and "VmHWM" in status:
            peak = max(peak, int(status.split("VmHWM:")[1].split()[0]))
    if not alive:
        break
    time.sleep(0.2)
print(round(peak / 1024))
PYTHON
    wait $! || { cat "$work/err" >&2; exit 1; }
    python3 -c "print(f'{$EPOCHREALTIME - $start:.1f}')" >"$file"
}

row() {  # NAME command…
    local name=$1
    shift
    watch "$work/seconds" "$@"
    printf '%-44s %8s s %6s MB\n' "$name" "$(cat "$work/seconds")" "$(cat "$work/peak")"
}

for size in "${sizes[@]}"; do
    make_text "$size" "$work/text"
    gpt2=$LRD_DATA/gpt2-bpe
    for tokenizer in "$gpt2" train:8192; do
        for shape in "1 1" "1 2" "2 1"; do
            read -r ranks threads <<<"$shape"
            rm -rf "$work/out"
            row "$size MB, ${tokenizer##*/}, $ranks rank(s) x $threads thread(s)" \
                "${mpirun[@]}" "$ranks" "$lrd" prepare --text "$work/text" --documents blank-line --val 0.05 \
                --tokenizer "$tokenizer" --threads "$threads" --out "$work/out"
        done
    done
    row "$size MB, second call" "$lrd" prepare --text "$work/text" --documents blank-line --val 0.05 \
        --tokenizer train:8192 --out "$work/out"
    rm -rf "$work/out"
    row "$size MB, one document, gpt2-bpe, 1 x 1" "$lrd" prepare --text "$work/text" --documents file \
        --tokenizer "$gpt2" --threads 1 --out "$work/out"
    rm -rf "$work/out"
done
