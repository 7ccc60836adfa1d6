#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""data/r_data.py on a package's data folder built here byte by byte."""
import gzip
import pathlib
import struct
import sys
import tempfile
import unittest
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "data"))
import r_data  # noqa: E402

HEAD_2 = b"X\n" + struct.pack(">iii", 2, 0x040203, 0x020300)
HEAD_3 = b"X\n" + struct.pack(">iii", 3, 0x040203, 0x030500) + struct.pack(">i", 5) + b"UTF-8"
NIL = struct.pack(">i", 254)


def char(text, flags=8 << 12):
    data = text.encode("latin-1" if flags >> 12 & 4 else "utf-8")
    return struct.pack(">ii", 9 | flags, len(data)) + data


def strings(*texts, flags=8 << 12):
    return struct.pack(">ii", 16, len(texts)) + b"".join(char(text, flags) for text in texts)


def integers(*values):
    return struct.pack(f">ii{len(values)}i", 13, len(values), *values)


def named_list(entries):
    return (struct.pack(">ii", 19 | 1 << 9, len(entries)) + b"".join(entries.values())
            + struct.pack(">ii", 2 | 1 << 10, 1) + char("names") + strings(*entries)
            + struct.pack(">ii", 2 | 1 << 10, 1) + char("other") + NIL + NIL)


class RDataTest(unittest.TestCase):
    def load(self, variables):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            data, places = b"", {}
            for variable, value in variables.items():
                piece = struct.pack(">I", len(value)) + zlib.compress(value)
                places[variable] = integers(len(data), len(piece))
                data += piece
            # The symbol `names` is known from the inner list: here it is a reference.
            index = HEAD_3 + struct.pack(">ii", 19 | 1 << 9, 1) + named_list(places) + (
                struct.pack(">ii", 2 | 1 << 10, 1 << 8 | 255) + strings("variables") + NIL)
            (folder / "Rdata.rdx").write_bytes(gzip.compress(index))
            (folder / "Rdata.rdb").write_bytes(data)
            return r_data.load(folder)

    def test_vectors_of_strings(self):
        loaded = self.load({"a": HEAD_2 + strings("one", "", "£ three"),
                            "b": HEAD_3 + strings("caf\u00e9", flags=4 << 12)})
        self.assertEqual(loaded, {"a": ["one", "", "£ three"], "b": ["café"]})

    def test_missing_string(self):
        na = struct.pack(">iiii", 16, 1, 9, -1)
        self.assertEqual(self.load({"a": HEAD_2 + na}), {"a": [None]})

    def test_truncated(self):
        with self.assertRaisesRegex(ValueError, "too early"):
            self.load({"a": (HEAD_2 + strings("one", "two"))[:-2]})

    def test_closures_are_refused(self):
        with self.assertRaisesRegex(ValueError, "R type 3"):
            self.load({"a": HEAD_2 + struct.pack(">i", 3)})

    def test_other_formats_are_refused(self):
        with self.assertRaisesRegex(ValueError, "no XDR"):
            self.load({"a": b"B\n" + HEAD_2[2:]})
        with self.assertRaisesRegex(ValueError, "version 4"):
            self.load({"a": b"X\n" + struct.pack(">iii", 4, 0, 0)})


if __name__ == "__main__":
    unittest.main()
