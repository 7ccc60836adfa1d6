#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tokenizer_test.sh PROGRAMS: the same ids as tiktoken, and merges that are the equal of those of
# Hugging Face tokenizers. Needs what tokenizer.sh needs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
for name in LRD_TORCH_PYTHON LRD_DATA; do
    if [ -z "${!name:-}" ]; then
        echo "skipped: $name is not set"
        exit 77
    fi
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/ours" "$folder/theirs"
export PYTHONDONTWRITEBYTECODE=1
"$LRD_TORCH_PYTHON" "$here/ids_equal.py" "$1/encode_speed"
text=$LRD_DATA/wikitext-2/wiki.valid.tokens
"$1/train_speed" "$text" 2000 2 "$folder/ours"
"$LRD_TORCH_PYTHON" "$here/train_hf.py" "$text" 2000 2 "$folder/theirs"
"$LRD_TORCH_PYTHON" "$here/merges_equal.py" "$text" "$folder/ours" "$folder/theirs"
