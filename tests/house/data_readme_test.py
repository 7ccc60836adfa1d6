# SPDX-License-Identifier: MIT
"""data/README.md against files that lrd writes: no field without a line, no line without a field.

usage: data_readme_test.py LRD_BINARY SOURCE_DIR
"""
import itertools
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import h5py

STUDENTS = """
[data]
tokens = "tok"
context = 16
[teacher]
model = "teacher"
[train]
steps = 2
global_batch = 2
micro_batch = 2
log_every = 1
eval_every = 1
[[student]]
name = "lifted"
rank = 3
embedding_rank = 3
[[student]]
name = "factored"
form = "factored"
rank = 3
[[student]]
name = "dense"
form = "dense"
"""
TEACHER = """
[data]
tokens = "tok"
context = 16
[model]
layers = 1
width = 16
heads = 2
[train]
steps = 1
global_batch = 2
micro_batch = 2
[[student]]
name = "teacher"
form = "dense"
loss.kd = 0
loss.clone = 0
"""


def make_files(lrd, folder):
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefgh", k=rng.randint(2, 6))) for _ in range(80)]
    for i in range(4):
        text = "\n".join(" ".join(rng.choices(words, k=12)) for _ in range(40))
        (folder / f"{i}.txt").write_text(text)
    (folder / "teacher.toml").write_text(TEACHER)
    (folder / "students.toml").write_text(STUDENTS)
    texts = [f"{i}.txt" for i in range(4)]
    for command in (
        ["prepare", *texts, "--tokenizer", "train:280", "--out", "tok", "--val", "0.2"],
        ["train", "teacher.toml", "--out", "teacher"],
        ["train", "students.toml", "--out", "run"],
        ["cache", "students.toml", "--teacher.cache=exact", "--teacher.cache_clone=[0]"],
        ["cache", "students.toml", "--teacher.cache=largest", "--teacher.cache_topk=4"],
        ["eval", "--model", "teacher", "--tokens", "tok", "--split", "val", "--per-document", "scores.h5"],
    ):
        subprocess.run([lrd, *command], cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def fields_of(path):
    """Datasets and attributes of a file with what depends on the run taken out of their names."""
    found = set()

    def plain(name):
        name = re.sub(r"/students/[^/]+", "/students/<student>", "/" + name)
        name = re.sub(r"/(model|optim/m|optim/v)/(.+)$", r"/\1/<weight>", name)
        name = re.sub(r"^/taps/\d+", "/taps/<layer>", re.sub(r"^/log_sum_exp/\d+", "/log_sum_exp/<i>", name))
        name = re.sub(r"^/val/", "/<split>/", name)
        return re.sub(r"/<student>/val(_tap)?/", r"/<student>/<split>\1/", name)

    def visit(name, item):
        found.update("@" + key for key in item.attrs)
        if isinstance(item, h5py.Dataset):
            found.add(plain(name))

    with h5py.File(path) as file:
        found.update("@" + key for key in file.attrs)
        file.visititems(visit)
    # What HDF5's own dimension scales and netCDF readers bring along.
    return {f for f in found if f.strip("@") not in ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST")
            and not f.startswith("@_N")}


def weights_of(path):
    with h5py.File(path) as file:
        return {re.sub(r"^h\.\d+\.", "h.N.", w) for s in file["students"].values() for w in s["model"]}


def section(text, title):
    start = text.index("## " + title)
    end = text.find("\n## ", start + 3)
    return text[start:end if end >= 0 else len(text)]


def names_in(text):
    """Names in backticks, {a,b} multiplied out."""
    out = set()
    for name in re.findall(r"`([^`\n]+)`", text):
        parts = [p[1:-1].split(",") if p[:1] == "{" else [p] for p in re.split(r"(\{[^}]*\})", name)]
        out.update("".join(choice) for choice in itertools.product(*parts))
    return out


def compare(what, written, documented):
    missing, stale = sorted(written - documented), sorted(documented - written)
    for names, text in ((missing, "written but not in"), (stale, "not written but in")):
        if names:
            print(f"{what}: {text} data/README.md: {', '.join(names)}")
    return not missing and not stale


def fields_named(text):
    return {n for n in names_in(text) if n.startswith(("/", "@")) and n not in ("@units", "@long_name")}


def main():
    lrd, source = sys.argv[1], pathlib.Path(sys.argv[2])
    readme = (source / "data" / "README.md").read_text()
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        make_files(lrd, folder)
        run = folder / "run"
        state = run / "ckpt/step-00000002/state.h5"
        models = section(readme, "Checkpoints")
        good &= compare("tokens", fields_of(folder / "tok/train-00000.h5"), fields_named(section(readme, "Tokens")))
        manifest = json.loads((folder / "tok/prepare.json").read_text())
        keys = set(manifest) | set(manifest["options"])
        keys |= {key for part in ("inputs", "splits", "outputs") for key in manifest[part][0]}
        tokens = section(readme, "Tokens")
        named = names_in(tokens[tokens.index("### `prepare.json`"):])
        named -= {"prepare.json", "prepare", "prepare.unfinished", "lrd", "--dedup", "<unk>"}
        good &= compare("prepare.json", keys, named)
        good &= compare("state.h5", fields_of(state), fields_named(models))
        best = fields_of(run / "best/lifted.h5")
        good &= compare("best", best, {f for f in fields_named(models) if "/optim/" not in f})
        metrics = fields_of(run / "metrics.h5") - {"@units", "@long_name"}
        good &= compare("metrics.h5", metrics, fields_named(section(readme, "`metrics.h5`")))
        scores = fields_of(folder / "scores.h5") - {"@units", "@long_name"}
        good &= compare("scores", scores, fields_named(section(readme, "Scores of documents")))
        parts = [next((folder / name).glob("part-*.h5")) for name in ("exact", "largest")]
        cache = section(readme, "A teacher's cache")
        good &= compare("cache", set.union(*map(fields_of, parts)), fields_named(cache))
        good &= compare("cache.json", set(json.loads((folder / "exact/cache.json").read_text())),
                        {n.strip('"') for n in names_in(cache) if n.startswith('"')})
        endings = {n[1:] for n in names_in(models) if n.startswith("…")}
        linears = {n for n in names_in(models) if re.match(r"h\.N\.(attn|mlp)", n)}
        documented = {n for n in names_in(models) if re.match(r"(wte|wpe|h\.N\.ln|ln_f)", n)}
        documented |= {linear + ending for linear in linears for ending in endings}
        good &= compare("weights", weights_of(state), documented)
        status = set(json.loads((run / "status.json").read_text()))
        named = {n for n in names_in(section(readme, "`status.json`")) if n != "status.json"}
        good &= compare("status.json", status, named)
        listed = {n.replace("NNNNNNNN", "00000002").replace("<student>", "dense").rstrip("/")
                  for n in names_in(section(readme, "A run's directory"))} - {"[provenance]", "STOP", "CHECKPOINT_NOW", "transformer."}
        for name in sorted(listed - {".lock", "state.h5"}):
            if not (run / name).exists():
                print(f"run: data/README.md lists {name}, which was not written")
                good = False
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
