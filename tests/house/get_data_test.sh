#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# data/get_*.sh against a mirror on this disk: right and wrong checksums, a download that was cut off, a
# mirror that lacks a file; and the checksums in the scripts against the files themselves in $LRD_DATA.
set -euo pipefail
data="$PWD/data"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mirror=$work/mirror
mkdir -p "$mirror/wikitext-103-raw"
export LRD_GPT2_URL="file://$mirror" LRD_PTB_URL="file://$mirror" LRD_WIKITEXT_URL="file://$mirror"

fail() { echo "get_data_test: $1" >&2; cat "$work/said" >&2; exit 1; }
files_in() { find "$1" -mindepth 1 | wc -l; }

for name in config.json vocab.json merges.txt model.safetensors ptb.train.txt ptb.valid.txt ptb.test.txt \
            wikitext-103-raw/wiki.{train,valid,test}.raw; do
    seq 1000 | sed "s/^/$(basename "$name") /" >"$mirror/$name"
done
(cd "$mirror" && python3 -m zipfile -c wikitext-103-raw-v1.zip wikitext-103-raw)
(cd "$mirror" && find . -maxdepth 1 -type f -printf '%P\n' | xargs sha256sum >"$work/sums")
tr '0-9' '1-90' <"$work/sums" | sed 's/v[0-9]\.zip/v1.zip/; s/wikitext-[0-9]*/wikitext-103/' >"$work/wrong-sums"

for script in get_gpt2.sh get_ptb.sh get_wikitext103.sh; do
    out=$work/${script%.sh}
    get() { bash "$data/$script" --out "$out" "$@" >"$work/said" 2>&1; }
    # The checksums of the real files: the mirror's are not these.
    if get; then fail "$script took a file with another checksum"; fi
    grep -q "SHA-256" "$work/said" || fail "$script does not say why"
    [ "$(files_in "$out")" = 0 ] || fail "$script left something: $(ls -A "$out")"
    if get --sha256 "$work/wrong-sums"; then fail "$script believed a wrong list"; fi
    [ "$(files_in "$out")" = 0 ] || fail "$script left something: $(ls -A "$out")"

    get --sha256 "$work/sums" || fail "$script refused right files"
    find "$out" -name '.*' -mindepth 1 | grep -q . && fail "$script left a hidden file"
    for file in "$out"/*; do
        cmp -s "$file" "$mirror/$(basename "$file")" ||
            cmp -s "$file" "$mirror/wikitext-103-raw/$(basename "$file")" || fail "$file differs"
    done
    stat -c '%n %Y %i' "$out"/* >"$work/before"
    get --sha256 "$work/sums" || fail "$script fails where all is there"
    stat -c '%n %Y %i' "$out"/* | cmp -s - "$work/before" || fail "$script got again what was there"
done
counts="$(files_in "$work/get_gpt2") $(files_in "$work/get_ptb") $(files_in "$work/get_wikitext103")"
[ "$counts" = "4 3 3" ] || fail "a file is missing: $counts"

# Cut off in the middle: goes on, and the result is whole.
out=$work/resumed
mkdir "$out"
head -c 1000 "$mirror/ptb.train.txt" >"$out/.ptb.train.txt.part"
bash "$data/get_ptb.sh" --out "$out" --sha256 "$work/sums" >"$work/said" 2>&1 || fail "cannot go on"
cmp -s "$out/ptb.train.txt" "$mirror/ptb.train.txt" || fail "what went on differs"
# What lies there is longer than the file: it cannot go on, and begins again.
rm "$out/ptb.train.txt"
head -c 10000000 /dev/zero >"$out/.ptb.train.txt.part"
bash "$data/get_ptb.sh" --out "$out" --sha256 "$work/sums" >"$work/said" 2>&1 || fail "does not begin again"
cmp -s "$out/ptb.train.txt" "$mirror/ptb.train.txt" || fail "what began again differs"
# Cut off between the last byte and the new name.
rm "$out/ptb.train.txt"
cp "$mirror/ptb.train.txt" "$out/.ptb.train.txt.part"
bash "$data/get_ptb.sh" --out "$out" --sha256 "$work/sums" >"$work/said" 2>&1 || fail "cannot end"
# A file that has changed since is named, not replaced.
echo more >>"$out/ptb.test.txt"
if bash "$data/get_ptb.sh" --out "$out" --sha256 "$work/sums" >"$work/said" 2>&1; then fail "a changed file passed"; fi
grep -q "ptb.test.txt has the SHA-256" "$work/said" || fail "the changed file is not named"

rm "$mirror/ptb.valid.txt"
if bash "$data/get_ptb.sh" --out "$work/missing" >"$work/said" 2>&1; then fail "a missing file passed"; fi

if [ -n "${LRD_DATA:-}" ]; then
    mkdir "$work/real"
    cp "$LRD_DATA"/ptb/ptb.*.txt "$work/real"
    LRD_PTB_URL="file://$work/real" bash "$data/get_ptb.sh" --out "$work/ptb" >"$work/said" 2>&1 ||
        fail "the checksums of Penn Treebank are not those of the files"
    for pair in encoder.json:vocab.json vocab.bpe:merges.txt; do
        sum=$(sha256sum "$LRD_DATA/gpt2-bpe/${pair%:*}" | cut -d' ' -f1)
        grep -q "^${pair#*:} $sum\$" "$data/get_gpt2.sh" || fail "the checksum of ${pair#*:} is another"
    done
fi
