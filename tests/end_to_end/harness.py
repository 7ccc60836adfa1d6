# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: a small world (text, tokens, a teacher) and ways to run lrd in it.

Set by CMake: LRD_BINARY; LRD_MPIEXEC, the launcher up to the number of ranks; LRD_E2E_WORLD, a folder
in which `make_world` has been called once for all tests, which leave it as it is. Without the last,
every process makes a world of its own.
"""
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

LRD = os.environ["LRD_BINARY"]
MPIEXEC = os.environ.get("LRD_MPIEXEC", "mpirun -n").split()
TIMEOUT = 60  # of one command: far above what it takes, so that a hang is seen
STOPPED = 75

ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",  # tests side by side must not share one core
    "OMPI_MCA_mpi_yield_when_idle": "1",
}


# ---------------------------------------------------------------- running

class Result:
    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def sentences(self):
        """What lrd complained of; the launcher has its own lines."""
        return [line for line in self.err.splitlines()
                if line.startswith("lrd: ") and not line.startswith("lrd: warning")]

    def warnings(self):
        return [line for line in self.err.splitlines() if line.startswith("lrd: warning")]

    def __str__(self):
        return f"exit code {self.code} after {self.seconds:.1f} s\n{self.out}\n{self.err}"


def command(args, ranks=None):
    launcher = [] if ranks is None else [*MPIEXEC, str(ranks)]
    return [*launcher, LRD, *map(str, args)]


class Running:
    """A command on its way; `ranks` None runs it without a launcher."""

    def __init__(self, *args, ranks=None, cwd=None, prefix=()):
        self.out, self.err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self.start = time.monotonic()
        self.ranks = ranks
        self.result = None
        self.process = subprocess.Popen([*prefix, *command(args, ranks)], cwd=cwd, stdout=self.out,
                                        stderr=self.err, stdin=subprocess.DEVNULL, env=ENVIRONMENT,
                                        start_new_session=True)

    def pids(self):
        """Process ids of the ranks, in the order of the ranks."""
        if self.ranks is None:
            return [self.process.pid]
        found = {}
        parent = self.process.pid
        for child in pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            try:
                environ = pathlib.Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for entry in environ:
                if entry.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found[int(entry.split(b"=")[1])] = int(child)
        return [found[rank] for rank in sorted(found)]

    def wait_until(self, condition, what):
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"ended before {what}:\n{self.wait()}")
            if time.monotonic() - self.start > TIMEOUT:
                raise AssertionError(f"no {what} in {TIMEOUT} s:\n{self.kill()}")
            time.sleep(0.005)

    def wait(self, timeout=TIMEOUT):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            result = self.kill()
            raise AssertionError(f"no end in {timeout} s:\n{result}") from None
        if self.result is None:
            texts = []
            for file in (self.out, self.err):
                with file:
                    file.seek(0)
                    texts.append(file.read())
            self.result = Result(code, *texts, time.monotonic() - self.start)
        return self.result

    def kill(self):
        """SIGKILL to all ranks at once, then to the launcher."""
        for pid in [*self.pids(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return self.wait()


def run(*args, ranks=None, cwd=None, timeout=TIMEOUT, prefix=()):
    return Running(*args, ranks=ranks, cwd=cwd, prefix=prefix).wait(timeout)


def run_well(*args, **settings):
    result = run(*args, **settings)
    if result.code != 0:
        raise AssertionError(f"lrd {' '.join(map(str, args))}: {result}")
    return result


# ---------------------------------------------------------------- the small world

SYLLABLES = "ba ce di fo gu ka le mi no pu ra se ti vo zu".split()


def make_text(path, seed=1, words=9000):
    """Documents of sentences in which a word depends on the one before: something to be learnt."""
    draw = random.Random(seed)
    lexicon = ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 3))) for _ in range(150)]
    follow = {word: draw.sample(lexicon, 4) for word in lexicon}
    text, word = [], lexicon[0]
    for i in range(1, words + 1):
        word = draw.choice(follow[word] if draw.random() < 0.9 else lexicon)
        text.append(word)
        text.append(".\n\n" if i % 60 == 0 else ".\n" if i % 12 == 0 else " ")
    path.write_text("".join(text))


def toml(tokens, students, teacher=None, loose="", **train):
    """A configuration; `students` are texts of [[student]] tables; `loose` stands before them."""
    settings = {"steps": 20, "global_batch": 16, "micro_batch": 4, "log_every": 1, "eval_every": 10,
                "checkpoint_every": 10, **train}
    lines = [f'[run]\nthreads = 1\nprecision = "fp32"\n[data]\ntokens = "{tokens}"\ncontext = 32']
    if teacher:
        lines.append(f'[teacher]\nmodel = "{teacher}"')
    else:
        lines.append("[model]\nlayers = 2\nwidth = 32\nheads = 2")
    lines.append("[train]")
    lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    lines.append(loose if loose else "[optim]\nlr = 3e-3")
    lines += ["[[student]]\n" + student for student in students]
    return "\n".join(lines) + "\n"


DENSE = 'name = "teacher"\nform = "dense"\nloss.kd = 0.0\nloss.clone = 0.0'
LRC = 'name = "lrc"\nform = "lifted"\nrank = 8\nembedding_rank = 8'
RELATIVE = 'name = "rel"\nform = "lifted"\nrank = 6\nembedding_rank = 5\nloss.clone_reduction = "relative"'
KD = ('name = "kd"\nform = "factored"\nrank = 8\nembedding_rank = 8\ninit = "random"\n'
      'loss.lm = 0.0\nloss.clone = 0.0')
SGD = ('name = "sgd"\nform = "factored"\nrank = 7\nembedding_rank = 8\nloss.kd = 0.0\n'
       'loss.clone = 0.0\noptim.kind = "sgd"\noptim.lr = 0.05')


class World:
    """Text, tokens and teacher, never changed by a test."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.text = self.root / "text.txt"
        self.tokens = self.root / "tokens"
        self.teacher = self.root / "teacher"
        self.continued = self.root / "continued.toml"  # what stop_test stops and continues
        self.uninterrupted = self.root / "uninterrupted"


def make_world(root):
    world = World(root)
    shutil.rmtree(world.root, ignore_errors=True)
    world.root.mkdir(parents=True)
    make_text(world.text)
    run_well("prepare", "--text", world.text, "--tokenizer", "train:300", "--out", world.tokens,
             "--val", "0.05", "--test", "0.05")
    config = world.root / "teacher.toml"
    config.write_text(toml(world.tokens, [DENSE], steps=60, eval_every=30, checkpoint_every=30))
    run_well("train", config, "--out", world.teacher)
    # The documents of at most 40 windows, of which a step takes 16: epochs end inside steps.
    world.continued.write_text(
        toml(world.tokens, [RELATIVE, SGD], world.teacher, steps=400, eval_every=150,
             checkpoint_every=100).replace("[teacher]", f"limit_tokens = {40 * 32 + 1}\n[teacher]"))
    run_well("train", world.continued, "--out", world.uninterrupted, ranks=2)
    return world


_world = None


def world():
    global _world
    if _world is None:
        root = os.environ.get("LRD_E2E_WORLD")
        if root and (pathlib.Path(root) / "uninterrupted/status.json").exists():
            _world = World(root)
        else:
            folder = tempfile.TemporaryDirectory(prefix="lrd-world-")
            unittest.addModuleCleanup(folder.cleanup)
            _world = make_world(pathlib.Path(folder.name) / "world")
    return _world


class Case(unittest.TestCase):
    """A test in a folder of its own beside the world."""

    def setUp(self):
        self.world = world()
        folder = tempfile.TemporaryDirectory(prefix="lrd-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def config(self, students, name="run.toml", teacher=True, **train):
        path = self.folder / name
        path.write_text(toml(self.world.tokens, students, self.world.teacher if teacher else None, **train))
        return path

    def expect(self, result, code):
        self.assertEqual(result.code, code, result)
        return result


# ---------------------------------------------------------------- looking at what was written

def status(run_directory):
    return json.loads((run_directory / "status.json").read_text())


def logged_step(run_directory):
    """The step that the newest row of log.jsonl is about; −1 without any."""
    try:
        lines = (run_directory / "log.jsonl").read_text().splitlines()
        return json.loads(lines[-1])["step"]
    except (OSError, IndexError, json.JSONDecodeError):  # a line half written
        return -1


def manifest(run_directory, step):
    return json.loads((run_directory / f"ckpt/step-{step:08}/manifest.json").read_text())


def columns(run_directory, timings=False):
    """Every column of metrics.h5 by its path; without `timings` those that other ranks or machines change."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and (timings or "rank_dependent" not in item.attrs):
            found[name] = item[...]

    with h5py.File(run_directory / "metrics.h5", "r") as file:
        file.visititems(visit)
    return found


def same_run(test, one, other, step):
    """The checkpoint of `step` and all metrics have the same bits."""
    a, b = manifest(one, step), manifest(other, step)
    test.assertTrue(a["tensors"])
    test.assertEqual(a["tensors"], b["tensors"])
    states = []
    for run_directory in (one, other):
        with h5py.File(run_directory / f"ckpt/step-{step:08}/state.h5", "r") as file:
            state = json.loads(file.attrs["state"])
        states.append({k: v for k, v in state.items() if k not in ("seconds", "restarts")})
    test.assertEqual(*states)
    x, y = columns(one), columns(other)
    test.assertEqual(x.keys(), y.keys())
    for name in x:
        np.testing.assert_array_equal(x[name], y[name], name)
    for best in (one / "best").glob("*.h5"):
        with h5py.File(best, "r") as p, h5py.File(other / "best" / best.name, "r") as q:
            names = []
            p.visititems(lambda name, item, to=names:
                         to.append(name) if isinstance(item, h5py.Dataset) else None)
            test.assertTrue(names)
            for name in names:
                np.testing.assert_array_equal(p[name][...], q[name][...], f"{best.name}: {name}")


def fingerprint(folder):
    """Every file below with the hash of its bytes; the lock is nobody's data."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"}
