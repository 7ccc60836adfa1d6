#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tokenizer.sh [BUILD_DIR [options of tokenizer.py]]: encoding against tiktoken and training against
# Hugging Face tokenizers, both sides in turns. Needs LRD_DATA, and LRD_TORCH_PYTHON: an interpreter
# that has both packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build/release}" && pwd)
shift || true
for name in LRD_TORCH_PYTHON LRD_DATA; do
    if [ -z "${!name:-}" ]; then
        echo "skipped: $name is not set"
        exit 77
    fi
done
exec "$LRD_TORCH_PYTHON" "$here/tokenizer.py" "$build/tests/bench" "$@"
