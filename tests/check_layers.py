#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guard of the house: reads the #includes of src and fails on an arrow that ARCHITECTURE.md lacks.

    check_layers.py [ROOT]        ROOT: folder that holds src/ (default: the project)

Also fails on a library's header outside the folder that wraps it, on a heavy header in a second file,
and on #if outside kernels/cpu. Files over the soft limit of 300 lines are only listed.
"""
import pathlib
import re
import sys

# Folder → folders that it may include; what those may include comes with it. As CMakeLists.txt.
ARROWS = {
    "core": [],
    "config": ["core"],
    "io": ["core"],
    "linalg": ["core"],
    "kernels": ["core"],
    "comm": ["core"],
    "data": ["io", "comm"],
    "model": ["kernels", "linalg", "io"],
    "loss": ["model"],
    "optim": ["model"],
    "train": ["loss", "optim", "data", "comm", "config"],
    "commands": ["train"],
    "main.cpp": ["commands"],
}
# Plain settings, for everybody.
FOR_ALL = {"config/config.hpp"}
# Folder → the only headers of it that others may include.
DOORS = {"kernels": {"kernels/backend.hpp"}}

# Header of a library → the one folder that wraps it.
WRAPPED = {
    "boost/": "config",
    "toml++/": "config",
    "hdf5": "io",
    "H5": "io",
    "nlohmann/": "io",
    "openssl/": "io",
    "xxhash": "io",
    "zlib.h": "io",
    "zstd.h": "io",
    "pcre2": "data",
    "lapacke": "linalg",
    "cblas": "linalg",
    "mpi.h": "comm",
    "dnnl": "kernels",
    "oneapi/dnnl": "kernels",
    "cuda": "kernels",
    "nccl": "comm",
    "immintrin.h": "kernels",
}
# Slow to compile: in one .cpp of the project each, never in a header.
HEAVY = ["boost/program_options", "toml++/", "nlohmann/"]

# A library's own version may decide inside the folder that wraps it; nothing else may.
CONDITIONS = {"io": re.compile(r"H5_VERSION_(GE|LE)\(")}
CONDITIONS_FREE = "kernels/cpu/"

SOFT_LIMIT = 300

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
CONDITION = re.compile(r"^\s*#\s*(?:el)?if(?:n?def)?\b(.*)")


def reachable(folder):
    """Folders that `folder` may include: itself and all that its arrows lead to."""
    found, new = set(), [folder]
    while new:
        one = new.pop()
        if one not in found:
            found.add(one)
            new += ARROWS[one]
    return found


class Check:
    def __init__(self, source):
        self.source, self.faults, self.notes, self.heavy = source, [], [], {}

    def fault(self, path, line, text):
        self.faults.append(f"src/{path}:{line}: {text}")

    def include_of_ours(self, path, line, folder, header):
        target = header.split("/")[0]
        if not (self.source / header).is_file():
            self.fault(path, line, f'"{header}" is not a file of src; write <> for a library')
        elif header in FOR_ALL:
            pass
        elif target not in reachable(folder):
            self.fault(path, line, f"{folder} may not include {target} ({header})")
        elif target != folder and header not in DOORS.get(target, {header}):
            self.fault(path, line, f"{header} is inside {target}; others may include only "
                       + ", ".join(DOORS[target]))

    def include_of_library(self, path, line, folder, header):
        for prefix, owner in WRAPPED.items():
            if header.startswith(prefix) and folder != owner:
                self.fault(path, line, f"<{header}> belongs to {owner} alone")
        for prefix in HEAVY:
            if header.startswith(prefix):
                if path.endswith(".hpp"):
                    self.fault(path, line, f"<{header}> is heavy; keep it out of headers")
                self.heavy.setdefault(prefix, set()).add(path)

    def file(self, path, folder, lines):
        for number, text in enumerate(lines, 1):
            if match := INCLUDE.match(text):
                quote, header = match.groups()
                (self.include_of_ours if quote == '"' else self.include_of_library)(
                    path, number, folder, header)
            elif (match := CONDITION.match(text)) and not path.startswith(CONDITIONS_FREE):
                allowed = CONDITIONS.get(folder)
                if not (allowed and allowed.search(match.group(1))):
                    self.fault(path, number, "no conditional code above the backend: "
                               "alternatives are files that CMake chooses")
        if len(lines) > SOFT_LIMIT:
            self.notes.append(f"src/{path}: {len(lines)} lines")

    def run(self):
        paths = sorted(p for p in self.source.rglob("*") if p.suffix in (".hpp", ".cpp"))
        if not paths:
            self.faults.append(f"{self.source}: no sources")
        for path in paths:
            relative = path.relative_to(self.source).as_posix()
            folder = relative.split("/")[0]
            if folder not in ARROWS:
                self.fault(relative, 1, f"{folder} has no row in ARROWS of tests/check_layers.py")
            else:
                self.file(relative, folder, path.read_text(encoding="utf-8").splitlines())
        for prefix, users in self.heavy.items():
            if len(users) > 1:
                self.faults.append(f"<{prefix}…> is in {len(users)} files: " + ", ".join(sorted(users)))
        return len(paths)


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]
    check = Check(root / "src")
    count = check.run()
    for note in check.notes:
        print(f"note: over {SOFT_LIMIT} lines: {note}")
    for fault in check.faults:
        print(fault)
    print(f"{count} files, {len(check.faults)} against the arrows")
    return 1 if check.faults else 0


if __name__ == "__main__":
    sys.exit(main())
