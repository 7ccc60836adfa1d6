#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Gets WikiText-103, raw (Merity et al., CC BY-SA 3.0), and unpacks it:
#
#   get_wikitext103.sh [--out data/wikitext-103-raw] [--sha256 FILE]
#
# LRD_WIKITEXT_URL: folder to download from, for mirrors (file:// too). --sha256 FILE: checksums that
# replace the one below, as sha256sum prints them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=data/download.sh
source "$here/download.sh"
options "$here/wikitext-103-raw" "$@"

url=${LRD_WIKITEXT_URL:-https://wikitext.smerity.com}
archive=wikitext-103-raw-v1.zip
texts="wiki.train.raw wiki.valid.raw wiki.test.raw"

for text in $texts; do
    if [ ! -e "$out/$text" ]; then
        command -v python3 >/dev/null || stop "python3 is needed to unpack $archive"
        fetch "$url/$archive" "$archive" 91c00ae287f0d699e18605c84afc9e45c192bc6b7797ff8837e5474655a33794
        rm -rf "$out/.unpacked"
        python3 -m zipfile -e "$out/$archive" "$out/.unpacked"
        for one in $texts; do
            mv "$out/.unpacked/wikitext-103-raw/$one" "$out/$one"
        done
        rm -rf "$out/.unpacked" "${out:?}/$archive"
        break
    fi
done
say "$out has $texts"
