#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copies what is kept of runs: run.toml and metrics.h5, without the paths and the host of the machine.

    record.py WORK RECORDED RUN…      WORK/RUN/{run.toml,metrics.h5} → RECORDED/RUN/

Paths become relative to the folder that this is called from; the host's name goes. No figure is touched.
"""
import pathlib
import re
import shutil
import sys

import h5py
import numpy as np


def neutral(text, root):
    """The same configuration as it would be written for a run called from `root`."""
    text = text.replace(f"{root}/", "")
    return re.sub(r'^host = ".*"\n', "", text, flags=re.MULTILINE)


def record(source, target, root):
    target.mkdir(parents=True, exist_ok=True)
    config = (source / "run.toml").read_text(encoding="utf-8")
    (target / "run.toml").write_text(neutral(config, root), encoding="utf-8")
    shutil.copyfile(source / "metrics.h5", target / "metrics.h5")
    with h5py.File(target / "metrics.h5", "r+") as file:
        for name, value in file.attrs.items():
            text = value.decode() if isinstance(value, bytes) else value
            if isinstance(text, str) and neutral(text, root) != text:
                # In place: of an attribute that is made anew the file would keep the old bytes.
                file.attrs.modify(name, np.array(neutral(text, root).encode(), dtype=file.attrs.get_id(name).dtype))


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    work, recorded = map(pathlib.Path, sys.argv[1:3])
    for run in sys.argv[3:]:
        record(work / run, recorded / run, pathlib.Path.cwd())


if __name__ == "__main__":
    main()
