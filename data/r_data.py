# SPDX-License-Identifier: MIT
"""Reads the data folder of an installed R package: `Rdata.rdx` (gzip) says where each variable lies
in `Rdata.rdb`, which holds them one by one: 4 bytes of length, then zlib over R's XDR serialisation.

Just what lists and vectors of strings need (R Internals, "Serialization Formats"): a functional
language's closures and environments are refused by name.
"""
import gzip
import struct
import zlib

NA_STRING = None

# SEXP types of the serialisation (Rinternals.h, serialize.c).
SYMBOL, PAIR_LIST, CHAR, LOGICAL, INTEGER, REAL, STRING, LIST = 1, 2, 9, 10, 13, 14, 16, 19
NULL, REFERENCE = 254, 255
HAS_ATTRIBUTES, HAS_TAG = 1 << 9, 1 << 10


class Reader:
    """One XDR stream. `read()` returns None, str, list; a pair list becomes a dict by its tags."""

    def __init__(self, data):
        self.data, self.at, self.references = data, 0, []
        if data[:2] != b"X\n":
            raise ValueError("no XDR serialisation of R")
        self.at = 2
        version = self.integer()
        self.at += 8  # versions of R: writer, oldest reader
        if version == 3:
            self.take(self.integer())  # native encoding
        elif version != 2:
            raise ValueError(f"serialisation version {version} of R is not known")

    def take(self, size):
        piece = self.data[self.at:self.at + size]
        if len(piece) != size:
            raise ValueError("R data end too early")
        self.at += size
        return piece

    def integer(self):
        return struct.unpack(">i", self.take(4))[0]

    def numbers(self, code, size):
        count = self.integer()
        return list(struct.unpack(f">{count}{code}", self.take(count * size)))

    def read(self):
        flags = self.integer()
        kind = flags & 0xFF
        if kind == NULL:
            return None
        if kind == REFERENCE:
            return self.references[(flags >> 8) - 1]
        if kind == SYMBOL:
            self.references.append(self.read())
            return self.references[-1]
        if kind == PAIR_LIST:
            return self.pair_list(flags)
        if kind == CHAR:
            size = self.integer()
            return NA_STRING if size == -1 else self.take(size).decode(
                "latin-1" if flags >> 12 & 4 else "utf-8")
        if kind in (LOGICAL, INTEGER):
            value = self.numbers("i", 4)
        elif kind == REAL:
            value = self.numbers("d", 8)
        elif kind in (STRING, LIST):
            value = [self.read() for _ in range(self.integer())]
        else:
            raise ValueError(f"R type {kind} is not among lists and vectors")
        if flags & HAS_ATTRIBUTES:
            names = self.read().get("names")
            if names:
                value = dict(zip(names, value))
        return value

    def pair_list(self, flags):
        entries = {}
        while flags & 0xFF == PAIR_LIST:
            if flags & HAS_ATTRIBUTES:
                self.read()
            tag = self.read() if flags & HAS_TAG else len(entries)
            entries[tag] = self.read()
            flags = self.integer()
        if flags & 0xFF != NULL:
            raise ValueError("a dotted R pair is not known")
        return entries


def load(folder):
    """All variables of `folder`/Rdata.{rdx,rdb} as {name: value}."""
    index = Reader(gzip.decompress((folder / "Rdata.rdx").read_bytes())).read()
    data = (folder / "Rdata.rdb").read_bytes()
    result = {}
    for name, (offset, size) in index["variables"].items():
        piece = zlib.decompress(data[offset + 4:offset + size])
        if len(piece) != struct.unpack(">I", data[offset:offset + 4])[0]:
            raise ValueError(f"{name}: another length than the file says")
        result[name] = Reader(piece).read()
    return result
