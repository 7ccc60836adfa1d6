#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Gets OpenAI's GPT-2 small (MIT) as Hugging Face publishes it, a MODEL and a tokenizer for lrd:
#
#   get_gpt2.sh [--out data/gpt2] [--sha256 FILE]
#
# LRD_GPT2_URL: folder to download from, for mirrors (file:// too). --sha256 FILE: checksums that
# replace those below, as sha256sum prints them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=data/download.sh
source "$here/download.sh"
options "$here/gpt2" "$@"

url=${LRD_GPT2_URL:-https://huggingface.co/openai-community/gpt2/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e}
while read -r name sha256; do
    fetch "$url/$name" "$name" "$sha256"
done <<'FILES'
config.json 0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4
vocab.json 196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783
merges.txt 1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5
model.safetensors 248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707
FILES
say "$out is a MODEL; lrd prepare --tokenizer $out makes tokens for it"
