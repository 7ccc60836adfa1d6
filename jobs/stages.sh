# shellcheck shell=bash disable=SC2154  # work and lrd are the caller's
# SPDX-License-Identifier: MIT
# For scripts that take a corpus through `lrd` stage by stage and can be called again: what is done
# already is not done again. The caller sets `work` (its folder) and `lrd` (the program), then sources this.

stage_name=
times=()
cpu_now() {  # sets `cpu`: seconds of processor that children have taken; a subshell has none, hence the file
    times >"$work/.times"
    cpu=$(sed -n 's/m\([0-9]*\)\.[0-9]*s/ \1/g;$p' "$work/.times" | awk '{print $1 * 60 + $2 + $3 * 60 + $4}')
    rm "$work/.times"
}
finish_stage() {
    [ -n "$stage_name" ] || return 0
    cpu_now
    times+=("$(printf '%-10s %5d s  (%d s of processor)' "$stage_name" $((SECONDS - stage_start)) \
        $((cpu - stage_cpu)))")
    # Over all calls: a script that was stopped and called again adds up.
    printf '%s\t%d\t%d\n' "$stage_name" $((SECONDS - stage_start)) $((cpu - stage_cpu)) >>"$work/times.tsv"
    stage_name=
}
stage() {  # NAME what it does
    finish_stage
    cpu_now
    stage_name=$1 stage_start=$SECONDS stage_cpu=$cpu
    printf '\n[%d:%02d] %s: %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$1" "$2"
}

quietly() {  # LOG command…: the log is shown only if the command fails
    local log=$1
    shift
    "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; echo "failed: $*" >&2; exit 1; }
}

find_python() {  # sets `python`: the first that has numpy and h5py
    for python in ${LRD_PYTHON:-} python3 /usr/bin/python3; do
        if "$python" -c "import numpy, h5py" 2>/dev/null; then break; fi
    done
    export PYTHONDONTWRITEBYTECODE=1
}

find_launcher() {  # RANKS: sets `launcher`
    launcher=(mpirun -n "$1")
    if mpirun --version 2>/dev/null | grep -q "Open MPI"; then
        launcher=(mpirun --oversubscribe --bind-to none -n "$1")
        if [ "$(id -u)" = 0 ]; then  # Open MPI refuses root otherwise; a container has nobody else
            launcher=(env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "${launcher[@]}")
        fi
    fi
    if [ -t 2 ]; then  # a rank's stderr is a pipe: tell it of the terminal behind
        export LRD_PROGRESS=bar
    fi
}

train() {  # RUN CONFIG TEACHER options…: the same command starts and continues; TEACHER "" for none
    # After a change of CONFIG or TEACHER lrd decides, and refuses with the difference.
    local teacher=${3:+$3/status.json}
    if grep -qs '"state": "done"' "$1/status.json" && [ "$1/status.json" -nt "$2" ] &&
        [ "$1/status.json" -nt "${teacher:-$2}" ]; then
        echo "done already: $1"
        return
    fi
    "${launcher[@]}" "$lrd" train "$2" --out "$1" "${@:4}"
}

evaluate() {  # FILE RUN MODEL options…: scores MODEL on the test split, once
    local file=$work/eval/$1.json
    if [ ! -s "$file" ] || [ "$2/status.json" -nt "$file" ]; then
        printf '  %-12s %s\n' "$1" "$3"
        "$lrd" eval --model "$3" --tokens "$work/tokens" --split test --json "${@:4}" >"$file.tmp"
        mv "$file.tmp" "$file"
    fi
}

evaluate_ngrams() {
    local file=$work/eval/ngram.json
    if [ ! -s "$file" ] || [ "$work/tokens" -nt "$file" ]; then
        echo "  n-grams      interpolated modified Kneser-Ney, orders 2, 3 and 5"
        "$python" tests/reference/ngram.py --tokens "$work/tokens" --json >"$file.tmp"
        mv "$file.tmp" "$file"
    fi
}

print_times() {
    finish_stage
    printf 'time      '
    printf '%s\n          ' "${times[@]}"
    printf '%-10s %5d s\n' "together" $SECONDS
}
