#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cmake/bootstrap.sh with a dpkg-query, an apt-get and an id of our own: what it would install, and when
# it changes nothing.
set -euo pipefail
script="$PWD/cmake/bootstrap.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"

fail() { echo "bootstrap_test: $1" >&2; cat "$work/out" "$work/apt" >&2; exit 1; }

stub() { printf '#!/bin/bash\n%s\n' "$2" >"$work/bin/$1"; chmod +x "$work/bin/$1"; }
# shellcheck disable=SC2016  # the stubs expand their variables themselves
{
# Installed is what does not match $ABSENT; apt-get writes down what it was asked for.
stub dpkg-query 'if [[ "${@: -1}" =~ ^($ABSENT)$ ]]; then exit 1; else echo -n installed; fi'
stub apt-get 'echo "$*" >>"$APT_LOG"; [[ "$*" != *${APT_FAILS:-nothing}* ]]'
stub id 'echo "$FAKE_UID"'
# The probes of what other sources brought.
stub c++ 'header=$(cat); [[ ! "$header" =~ ($ABSENT_HEADER) ]]'
}

bootstrap() {  # ABSENT UID arguments…: output in out, apt's in apt, exit code in rc
    : >"$work/apt"
    rc=0
    ABSENT="$1" FAKE_UID="$2" APT_LOG="$work/apt" PATH="$work/bin:$PATH" CXX="$work/bin/c++" \
        bash "$script" "${@:3}" >"$work/out" 2>&1 || rc=$?
}
says() { grep -q -- "$1" "$work/out" || fail "expected \"$1\""; }
asked() { grep -q -- "$1" "$work/apt" || fail "apt-get was not asked for \"$1\""; }
idle() { [ ! -s "$work/apt" ] || fail "apt-get was called"; }
ended() { [ "$rc" = "$1" ] || fail "exit code $rc, not $1"; }
export ABSENT_HEADER=none

bootstrap none 0
ended 0; idle; says "everything is here"

bootstrap 'libfmt-dev|libgtest-dev' 0
ended 0; asked "^-q update"; asked "install --no-install-recommends libfmt-dev libgtest-dev$"

bootstrap 'libfmt-dev|libgtest-dev|python3-pandas' 0 --demo
ended 0; asked "install --no-install-recommends libfmt-dev$"

bootstrap 'libgtest-dev' 0 --demo
ended 0; idle

APT_FAILS=libfmt bootstrap libfmt-dev 0
ended 1; says "could not install"

# Without rights: another source has fmt, so nothing is missing; without it, what to do is said.
bootstrap libfmt-dev 1000
ended 0; idle
ABSENT_HEADER='fmt/core.h' bootstrap libfmt-dev 1000
ended 1; idle; says "not root, so nothing was changed"; says "apt-get install .*libfmt-dev"; says "^    fmt$"

bootstrap none 0 --nonsense
ended 64; idle; says "bash cmake/bootstrap.sh --demo"
echo "bootstrap_test: passed"
