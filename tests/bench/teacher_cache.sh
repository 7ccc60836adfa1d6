#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# teacher_cache.sh [LRD [options of lrd bench]]: the same step with its teacher online, cached and by
# its largest logits, in turns; the median of each and what share of it is reading. The caches lie in
# $TMPDIR; with clone targets of GPT-2 small they take 2.4 GB.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
lrd=${1:-$here/../../build/release/lrd}
shift || true
python=${LRD_PYTHON:-python3}
rounds=${ROUNDS:-3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for round in $(seq "$rounds"); do
    for teacher in online cached topk; do
        "$lrd" bench --json --teacher "$teacher" "$@" > "$folder/$teacher-$round.json"
    done
done
"$python" - "$folder" <<'END'
import json, pathlib, statistics, sys
for teacher in ("online", "cached", "topk"):
    runs = [json.loads(p.read_text()) for p in pathlib.Path(sys.argv[1]).glob(f"{teacher}-*.json")]
    median = lambda key: statistics.median(run[key] for run in runs)
    print(f"{teacher:8} {median('tokens_per_s'):8.1f} tokens/s   reading {100 * median('read_fraction'):.2f} % of a step")
END
