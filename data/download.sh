#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# For the scripts beside it, which source this: options, and downloads that are checked before they get
# their name. A download that was cut off goes on where it was.

say() { echo "$(basename "$0"): $1" >&2; }
stop() { say "$1"; exit 1; }

# options DIR "$@": sets out and checksums, or prints the caller's first comment.
options() {
    out=$1 checksums=""
    shift
    while [ $# -gt 0 ]; do
        case "$1" in
            --out) out=${2:?--out needs a folder}; shift ;;
            --sha256) checksums=${2:?--sha256 needs a file}; shift ;;
            *) sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
        esac
        shift
    done
    [ -z "$checksums" ] || [ -r "$checksums" ] || stop "$checksums cannot be read"
    command -v curl >/dev/null || stop "curl is needed"
    mkdir -p "$out"
}

# checksum_of NAME DEFAULT: what --sha256 says of NAME, else DEFAULT.
checksum_of() {
    local listed=""
    [ -z "$checksums" ] || listed=$(awk -v name="$1" '{ sub(/^\*/, "", $2) } $2 == name { print $1; exit }' "$checksums")
    echo "${listed:-$2}"
}

# fetch URL NAME SHA256: gets URL as $out/NAME.
fetch() {
    local url=$1 file=$out/$2 wanted found
    local part=$out/.$2.part
    wanted=$(checksum_of "$2" "$3")
    if [ -e "$file" ]; then
        found=$(sha256sum "$file" | cut -d' ' -f1)
        [ "$found" = "$wanted" ] || stop "$file has the SHA-256 $found, not $wanted; remove it to get it again"
        return
    fi
    found=$([ ! -e "$part" ] || sha256sum "$part" | cut -d' ' -f1)
    if [ "$found" != "$wanted" ]; then
        say "getting $url"
        local get=(curl --fail --location --silent --show-error --retry 3 --output "$part")
        local code=0
        "${get[@]}" --continue-at - "$url" || code=$?
        case $code in 22 | 33 | 36)  # what is there is longer than the file, or the server cannot go on
            code=0
            rm -f "$part"
            "${get[@]}" "$url" || code=$? ;;
        esac
        [ $code = 0 ] || stop "$url could not be downloaded; the same command goes on with what there is"
        found=$(sha256sum "$part" | cut -d' ' -f1)
    fi
    if [ "$found" != "$wanted" ]; then
        rm -f "$part"
        stop "$url has the SHA-256 $found, not $wanted: it was damaged on the way, or is another file; nothing was kept"
    fi
    mv "$part" "$file"
}
