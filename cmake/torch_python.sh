#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A Python with PyTorch and transformers, for the tests that compare with them: a virtual environment of
# 1.7 GB in FOLDER (default: build/torch), from PyPI, without PyTorch's GPU libraries. Prints its path:
#
#   export LRD_TORCH_PYTHON=$(bash cmake/torch_python.sh)
#
# What is there already is not fetched again.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/torch}
python=$(realpath -m "$folder")/bin/python

if ! "$python" -c "import torch, transformers, tokenizers, tiktoken, h5py" 2>/dev/null; then
    if ! /usr/bin/python3 -m venv "$folder" >&2; then
        [ "$(id -u)" = 0 ] || { echo "torch_python: install python3-venv and call this again" >&2; exit 69; }
        apt-get install -y --no-install-recommends python3-venv >&2
        /usr/bin/python3 -m venv "$folder" >&2
    fi
    "$python" -m pip install --quiet --no-deps torch==2.11.0 nvidia-cufile nvidia-cusparselt-cu13==0.8.0 \
        nvidia-nvshmem-cu13==3.4.5 >&2
    "$python" -m pip install --quiet filelock typing_extensions sympy networkx jinja2 fsspec numpy h5py transformers \
        tokenizers tiktoken >&2
fi
echo "$python"
