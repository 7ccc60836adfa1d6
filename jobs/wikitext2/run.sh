#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes RESULTS.md's table again: a teacher on WikiText-2, seven students on one pass of it under three
# seeds, one of them again in bf16, their untrained truncated SVDs, and Kneser-Ney n-grams on the same ids.
# At most 150 minutes of processor; stop it at any time, the same command goes on.
#
#   bash jobs/wikitext2/run.sh CORPUS [LRD]     CORPUS: folder with wiki.{train,valid,test}.tokens
#                                               LRD: the program (default: build/release/lrd)
#
# Everything goes to wikitext2/, but for the table (jobs/wikitext2/RESULTS.md) and the small outputs that
# are kept (analysis/recorded/wikitext2/).
set -euo pipefail
corpus=$(cd "${1:?the folder with wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens}" && pwd)
lrd=$(realpath "${2:-$(dirname "$0")/../../build/release/lrd}")
cd "$(dirname "$0")/../.."

work=wikitext2
recorded=analysis/recorded/wikitext2
ranks=(96 48 32 16 8)
students=(lrc-r96 lrc-r48 lrc-r32 lrc-r16 lrc-r8 fac-r48 lm-r48)
seeds=(1 2 3)
mkdir -p $work/eval $recorded
. jobs/stages.sh
find_python
find_launcher 2

stage prepare "learns 8192 byte-pair tokens on the train split"
"$lrd" prepare --text "$corpus/wiki.train.tokens" --val "$corpus/wiki.valid.tokens" \
    --test "$corpus/wiki.test.tokens" --tokenizer train:8192 --out $work/tokens

stage teacher "trains a GPT-2 of 4 layers and width 192 from scratch, on two ranks"
train $work/teacher jobs/wikitext2/teacher.toml "" --run.precision=fp32

for seed in "${seeds[@]}"; do
    stage "seed $seed" "distils ${#students[@]} students on one pass of the teacher"
    train $work/students-"$seed" jobs/wikitext2/students.toml $work/teacher \
        --run.seed="$seed" --student.seed="$seed" --run.precision=fp32
done

# The middle rank alone, and nothing else changed: what it learns does not depend on its company.
cut_student() {  # NAME: students.toml with this student only
    awk -v name="name = \"$1\"" '
        /^\[\[student\]\]/ { inside = 1; getline line; keep = line == name; if (keep) print $0 "\n" line; next }
        !inside || keep' jobs/wikitext2/students.toml
}
if grep -q avx512_bf16 /proc/cpuinfo; then
    cut_student lrc-r32 >$work/bf16.toml.new
    cmp -s $work/bf16.toml.new $work/bf16.toml || cp $work/bf16.toml.new $work/bf16.toml
    for seed in "${seeds[@]}"; do
        stage "bf16 $seed" "distils lrc-r32 in bf16"
        train $work/bf16-"$seed" $work/bf16.toml $work/teacher \
            --run.seed="$seed" --student.seed="$seed" --run.precision=bf16
    done
    bf16=("${seeds[@]/#/bf16-}")
else
    echo "this processor has no bf16 products: the page says nothing on bf16"
    bf16=()
fi

stage eval "scores all models on the test split"
evaluate teacher $work/teacher $work/teacher
for r in "${ranks[@]}"; do
    evaluate "svd-r$r" $work/students-1 "$work/students-1:lrc-r$r@0" --teacher $work/teacher
done
for seed in "${seeds[@]}"; do
    for name in "${students[@]}"; do
        evaluate "$name.s$seed" $work/students-"$seed" "$work/students-$seed:$name" --teacher $work/teacher
    done
done
evaluate_ngrams
finish_stage

"$python" jobs/record.py $work $recorded teacher "${seeds[@]/#/students-}" ${bf16[@]+"${bf16[@]}"}
mkdir -p $recorded/eval
cp $work/eval/*.json $recorded/eval/
cp $work/times.tsv $recorded/
"$python" jobs/wikitext2/results.py $recorded >jobs/wikitext2/RESULTS.md
sed -n '/^| model/,/^$/p' jobs/wikitext2/RESULTS.md
print_times
