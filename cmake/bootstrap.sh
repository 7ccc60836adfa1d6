#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what lrd needs and this machine lacks (Debian 12 and later). Nothing is missing: nothing is done.
#
#   bash cmake/bootstrap.sh          all: building, tests, analysis in Python
#   bash cmake/bootstrap.sh --demo   what jobs/demo.sh needs
#
# Without apt or without root it changes nothing: it says what to load or install, and fails only if
# something is really not there.
set -euo pipefail

# set | Debian package | how to see that another source brought it | what to load elsewhere
#   c: a command   v: cmake of at least this version   h: a header   p: a Python module   -: not checked
TABLE='
demo | g++                           | c g++                          | gcc (12 or later)
demo | cmake                         | v 3.25                         | cmake (3.25 or later)
demo | ninja-build                   | c ninja                        | ninja
demo | pkg-config                    | c pkg-config                   | pkgconf
demo | openmpi-bin                   | c mpirun                       | openmpi
demo | libopenmpi-dev                | c mpicxx                       | openmpi
demo | libhdf5-dev                   | h hdf5.h                       | hdf5 (serial, with hl)
demo | libdnnl-dev                   | h dnnl.hpp                     | onednn
demo | libopenblas-dev               | h cblas.h                      | openblas
demo | liblapacke-dev                | h lapacke.h                    | lapacke (often in openblas)
demo | libboost-program-options-dev  | h boost/program_options.hpp    | boost
demo | libfmt-dev                    | h fmt/core.h                   | fmt
demo | libtomlplusplus-dev           | h toml++/toml.h                | tomlplusplus
demo | nlohmann-json3-dev            | h nlohmann/json.hpp            | nlohmann_json
demo | libpcre2-dev                  | h pcre2.h                      | pcre2
demo | libxxhash-dev                 | h xxhash.h                     | xxhash
demo | zlib1g-dev                    | h zlib.h                       | zlib
demo | libzstd-dev                   | h zstd.h                       | zstd
demo | libssl-dev                    | h openssl/evp.h                | openssl
demo | python3                       | c python3                      | python (3.9 or later)
demo | python3-numpy                 | p numpy                        | numpy for Python
demo | python3-h5py                  | p h5py                         | h5py
demo | python3-pip                   | p pip                          | pip (downloads a text of the demo)
all  | hdf5-tools                    | c h5dump                       | hdf5
all  | libgtest-dev                  | h gtest/gtest.h                | googletest
all  | strace                        | c strace                       | strace
all  | git                           | c git                          | git
all  | qemu-user                     | c qemu-x86_64                  | qemu (user mode, 7.2 or later)
all  | python3-h5netcdf              | p h5netcdf                     | h5netcdf
all  | python3-pandas                | p pandas                       | pandas
all  | python3-xarray                | p xarray                       | xarray
all  | python3-matplotlib            | p matplotlib                   | matplotlib
'

wanted=all
case "${1:-}" in
    "") ;;
    --demo) wanted=demo ;;
    *) sed -n '3,9s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac

rows() {  # "package|probe|module" of the wanted set, blanks trimmed
    sed -nE 's/^ *(demo|all) *\| *([^|]*[^| ]) *\| *([^|]*[^| ]) *\| *(.*[^ ]) *$/\1|\2|\3|\4/p' <<<"$TABLE" |
        if [ "$wanted" = demo ]; then grep '^demo|'; else cat; fi | cut -d'|' -f2-
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Whether a row is there from another source: a module, a package manager of the user, …
found() {
    local kind=${1%% *} what=${1#* }
    case "$kind" in
        c) command -v "$what" >/dev/null ;;
        v) command -v cmake >/dev/null &&
            printf '%s\n%s\n' "$what" "$(cmake --version | sed -n '1s/.* //p')" | sort -VC ;;
        h) echo "#include <$what>" |
            ${CXX:-c++} -x c++ -std=c++20 -E -I/usr/include/hdf5/serial - >/dev/null 2>&1 ;;
        p) for python in ${LRD_PYTHON:-} python3 /usr/bin/python3; do
               "$python" -c "import $what" >/dev/null 2>&1 && return 0
           done
           return 1 ;;
    esac
}

obstacle=
command -v apt-get >/dev/null || obstacle="no apt-get here"
[ "$(id -u)" = 0 ] || obstacle="not root"

missing=() modules=()
while IFS='|' read -r package probe module; do
    # Packages answer at once; compiler and Python are asked only where none can be installed.
    if ! installed "$package" && { [ -z "$obstacle" ] || ! found "$probe"; }; then
        missing+=("$package")
        modules+=("$module")
    fi
done < <(rows)

if [ ${#missing[@]} = 0 ]; then
    echo "bootstrap: everything is here ($wanted)"
    exit 0
fi

if [ -n "$obstacle" ]; then
    echo "bootstrap: ${#missing[@]} missing, and $obstacle, so nothing was changed."
    echo "On Debian, as root:"
    echo "    apt-get install --no-install-recommends ${missing[*]}"
    echo "On a cluster, load or build:"
    printf '%s\n' "${modules[@]}" | sort -u | sed 's/^/    /'
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "bootstrap: reading the package lists"
apt-get -q update >"$log" 2>&1 || tail -n 3 "$log" >&2
echo "bootstrap: installing ${#missing[@]} packages: ${missing[*]}"
# Without unsafe-io dpkg waits for the disk after every file: minutes instead of one. After a power cut
# in the middle, calling this again repairs it.
if ! apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
    install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "bootstrap: apt-get could not install them; what it said is above" >&2
    exit 1
fi
echo "bootstrap: done in ${SECONDS} s"
