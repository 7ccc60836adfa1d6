#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ends_test.sh PROGRAM LAUNCHER…: a rank that fails ends all ranks within 10 s, with the code of the
# failure and one sentence of ours on stderr.
set -u
program=$1
shift
failures=0
stderr=$(mktemp)
trap 'rm -f "$stderr"' EXIT

# ends CODE SENTENCE COMMAND…: SENTENCE "" means that lrd says nothing.
ends() {
    local code=$1 sentence=$2 start=$SECONDS
    shift 2
    timeout -k 1 20 "$@" >/dev/null 2>"$stderr"
    local got=$? said
    said=$(grep '^lrd: ' "$stderr")
    if [ $got != "$code" ] || [ "$said" != "$sentence" ] || [ $((SECONDS - start)) -gt 10 ]; then
        failures=$((failures + 1))
        echo "FAILED: ${*##*/}: code $got, not $code; said \"$said\", not \"$sentence\"; $((SECONDS - start)) s"
        cat "$stderr"
    fi
}

oom="out of memory; lower the micro-batch or the number of students"
ends 0 "" "$program" fail not
ends 75 "" "$program" fail stop
ends 65 "lrd: shard 3 is cut short" "$program" fail error
ends 71 "lrd: $oom" "$program" fail memory
ends 70 "lrd: a bug" "$program" fail bug
ends 64 "lrd: say how to fail" "$program" fail
ends 64 "lrd: no command fial; did you mean fail?; see lrd --help" "$program" fial

ends 0 "" "$@" "$program" fail not
ends 75 "" "$@" "$program" fail stop
ends 65 "lrd: rank 1: shard 3 is cut short" "$@" "$program" fail error
ends 65 "lrd: shard 3 is cut short" "$@" "$program" fail error everywhere
ends 65 "lrd: rank 1: shard 3 is cut short" "$@" "$program" fail setup
ends 65 "lrd: rank 1: shard 3 is cut short" "$@" "$program" fail step
ends 65 "lrd: rank 1: shard 3 is cut short" "$@" "$program" fail tree
ends 71 "lrd: rank 1: $oom" "$@" "$program" fail memory
ends 70 "lrd: rank 1: a bug" "$@" "$program" fail bug
ends 137 "" "$@" "$program" fail kill
ends 64 "lrd: say how to fail" "$@" "$program" fail
ends 64 "lrd: no command fial; did you mean fail?; see lrd --help" "$@" "$program" fial

[ $failures = 0 ]
