#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_layers.py on small trees: each kind of fault is found, at its line, and a good tree passes."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).parents[1] / "check_layers.py"

GOOD = {
    "core/check.hpp": "#pragma once\n#include <string>\n",
    "config/config.hpp": "#pragma once\n",
    "config/toml.cpp": '#include <toml++/toml.h>\n#include "core/check.hpp"\n',
    "kernels/backend.hpp": '#include "core/check.hpp"\n',
    "kernels/cpu/simd.hpp": "#if defined(__x86_64__)\n#endif\n",
    "io/hdf5.cpp": "#include <hdf5.h>\n#if H5_VERSION_GE(1, 10, 7)\n#endif\n",
    "io/publish.hpp": "",
    "model/gpt2.hpp": '#include "kernels/backend.hpp"\n#include "config/config.hpp"\n',
    "train/trainer.hpp": '#include "model/gpt2.hpp"\n#include "io/publish.hpp"\n',
    "commands/train.hpp": '#include "train/trainer.hpp"\n',
    "main.cpp": '#include "commands/train.hpp"\n',
}


def check(extra):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**GOOD, **extra}.items():
            file = pathlib.Path(root, "src", path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True,
                              check=False)
        return done.returncode, done.stdout


class LayersTest(unittest.TestCase):
    def assert_fault(self, extra, *parts):
        code, output = check(extra)
        self.assertEqual(code, 1, output)
        for part in parts:
            self.assertIn(part, output)
        self.assertIn(" 1 against", output)

    def test_good_tree(self):
        code, output = check({})
        self.assertEqual(code, 0, output)
        self.assertIn("11 files, 0 against", output)

    def test_arrow_against_the_stream(self):
        self.assert_fault({"core/log.cpp": '#include <string>\n#include "io/publish.hpp"\n'},
                          "src/core/log.cpp:2", "core may not include io")

    def test_arrow_between_neighbours(self):
        self.assert_fault({"model/a.cpp": '#  include "comm/b.hpp"\n', "comm/b.hpp": ""},
                          "src/model/a.cpp:1", "model may not include comm")

    def test_only_the_plain_settings_are_for_all(self):
        self.assert_fault({"io/a.cpp": '#include "config/option.hpp"\n', "config/option.hpp": ""},
                          "io may not include config")

    def test_only_the_door_of_kernels(self):
        self.assert_fault({"model/a.cpp": '#include "kernels/cpu/simd.hpp"\n'},
                          "inside kernels")

    def test_library_outside_its_folder(self):
        self.assert_fault({"train/a.cpp": "#include <mpi.h>\n"}, "belongs to comm")

    def test_heavy_header_twice(self):
        self.assert_fault({"config/again.cpp": "#include <toml++/toml.h>\n"}, "is in 2 files")

    def test_heavy_header_in_a_header(self):
        self.assert_fault({"io/json.hpp": "#include <nlohmann/json.hpp>\n"}, "out of headers")

    def test_conditional_code(self):
        for line in ("#ifdef LRD_CUDA", "# if defined(HAVE_MPI)", "#ifndef NDEBUG",
                     "#if H5_VERSION_GE(1, 10, 7)"):
            self.assert_fault({"train/a.cpp": line + "\n#endif\n"}, "src/train/a.cpp:1",
                              "no conditional code")

    def test_unknown_folder(self):
        self.assert_fault({"misc/a.cpp": ""}, "misc has no row")

    def test_missing_header(self):
        self.assert_fault({"train/a.cpp": '#include "train/none.hpp"\n'}, "not a file of src")

    def test_long_files_are_only_noted(self):
        code, output = check({"core/long.cpp": "\n" * 301})
        self.assertEqual(code, 0)
        self.assertIn("note: over 300 lines: src/core/long.cpp: 301 lines", output)


if __name__ == "__main__":
    unittest.main()
