#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""metrics.h5 read with h5py, pandas and xarray, each in the plain way its manual shows.

usage: metrics_read.py WRITE_METRICS
Exit status 77: skipped, a package is missing.
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import h5netcdf  # noqa: F401  (the engine that xarray is asked for)
    import h5py
    import numpy as np
    import pandas as pd
    import xarray as xr
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ROWS = 5
STEP = np.arange(1, ROWS + 1)


def read_h5py(path):
    with h5py.File(path, "r") as file:
        assert file.attrs["Conventions"].decode() == "LRD-1.0 CF-like", file.attrs["Conventions"]
        for group in ("train", "students/lrc/train", "students/lrc/taps"):
            names = list(file[group])
            assert "step" in names
            for name in names:
                column = file[group][name]
                assert column.attrs["units"] and column.attrs["long_name"], name
                assert name in ("layer", "tap") or column.maxshape[0] is None, name
                assert h5py.h5ds.is_scale(column.id) or column.dims[0].keys() == ["step"], name
                assert column.dtype.kind in "if", name
        np.testing.assert_array_equal(file["students/lrc/train/loss"][:], 1 / STEP)
        taps = file["students/lrc/taps/loss_clone_tap"]
        assert [list(dim.keys()) for dim in taps.dims] == [["step"], ["layer"], ["tap"]]


def read_pandas(path):
    with h5py.File(path, "r") as file:
        for name in ("train", "students/lrc/train"):
            group = file[name]
            table = pd.DataFrame({k: group[k][:] for k in group}).set_index("step")
            assert len(table) == ROWS and list(table.index) == list(STEP), table
        np.testing.assert_array_equal(table["loss"], 1 / STEP)
        assert table["lr"].isna().all()  # a column left out of the rows


def read_xarray(path):
    with xr.open_dataset(path, engine="h5netcdf", group="students/lrc/train") as data:
        assert set(data.coords) == {"step"} and dict(data.sizes) == {"step": ROWS}, data
        np.testing.assert_array_equal(data["loss"].sel(step=4), 0.25)
        assert data["loss"].attrs["units"] == "nat per token", data["loss"].attrs
    with xr.open_dataset(path, engine="h5netcdf", group="students/lrc/taps") as data:
        assert data["loss_clone_tap"].dims == ("step", "layer", "tap"), data
        assert float(data["loss_clone_tap"].sel(step=3, layer=2, tap=1)) == 3.21
    with xr.open_dataset(path, engine="h5netcdf", group="train") as data:
        assert data["time_s"].dtype == float and data["tokens"].dtype == np.int64, data


def read_log(path):
    with open(path) as lines:
        rows = [json.loads(line) for line in lines]
    losses = [row["loss"] for row in rows if row["group"] == "/students/lrc/train"]
    assert losses == list(1 / STEP), losses


def main():
    with tempfile.TemporaryDirectory() as run:
        subprocess.run([sys.argv[1], run, str(ROWS)], check=True)
        path = os.path.join(run, "metrics.h5")
        for read in (read_h5py, read_pandas, read_xarray):
            read(path)
            print(read.__name__, "ok")
        read_log(os.path.join(run, "log.jsonl"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
