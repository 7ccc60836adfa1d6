# SPDX-License-Identifier: MIT
"""The two processes that against_pytorch.py lets work in turns.

Whoever waits is stopped (SIGSTOP): neither OpenMP's threads nor ranks in a collective can spin
meanwhile, whatever their settings are.
"""

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, replace

HERE = pathlib.Path(__file__).resolve().parent
USAGE = 64  # exit code of step_server for what it does not know


class NotThere(Exception):
    """What lrd cannot do on this machine."""


@dataclass(frozen=True)
class Work:
    """What is done, as step_server and pytorch_step.py read it."""

    does: str = "step"  # | eval | generate | top-k bias
    L: int = 12
    C: int = 768
    H: int = 12
    D: int = 64
    F: int = 3072
    T: int = 1024
    V: int = 50257
    micro_batch: int = 2
    global_batch: int = 2
    windows: int = 64
    form: str = "lifted"
    ranks: tuple = (58,)
    teacher: str = "online"
    topk: int = 64
    separate: bool = False
    precision: str = "fp32"
    threads: int = 2
    processes: int = 1  # MPI ranks of lrd
    prompt: int = 32  # of generate: tokens given, and made
    new_tokens: int = 64
    model: str = ""  # of top-k bias: a trained teacher, and what it has read
    tokens: str = ""
    repeat: int = 1  # times in a turn

    def small(self):
        """Everything that a row is about, in a model of seconds."""
        ranks = tuple(min(8 + k, r) for k, r in enumerate(self.ranks))
        return replace(self, L=2, C=64, H=2, D=32, F=256, T=48, V=509, topk=16, ranks=ranks,
                       windows=16, new_tokens=8)

    def done_tokens(self):
        """In one time; each student's."""
        if self.does == "generate":
            return self.new_tokens
        return self.global_batch * self.T * len(self.ranks)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Side:
    def __init__(self, name, command, work, settings=(), mode=None):
        """`settings` of the environment, which may itself say otherwise; `mode` of PyTorch."""
        self.name, self.work, self.mode, self.pids = name, work, mode, []
        environment = WAITING | dict(settings) | os.environ
        environment["OMP_NUM_THREADS"] = str(work.threads)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment, preexec_fn=die_with_parent)
        try:
            self.ready = self.read()
        except BaseException:
            self.close()
            raise
        self.pids = self.ready["pids"]
        self.signal(signal.SIGSTOP)

    def signal(self, which):
        for pid in self.pids:
            os.kill(pid, which)

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            if code == USAGE and self.work.precision == "bf16":
                raise NotThere(f"{self.name} has no bf16 on this machine")
            raise RuntimeError(f"{self.name} ended with {code}")
        return json.loads(line)

    def ask(self, command):
        """Its turn, until it has answered."""
        self.signal(signal.SIGCONT)
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.read()
        self.signal(signal.SIGSTOP)
        return answer

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            for pid in set(self.pids) - {self.process.pid}:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# Waiting threads of either side sleep at once.
WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
# PyTorch frees and takes hundreds of megabytes in every step. Where malloc gives them back to the
# system each time, page faults take up to half of its step; this keeps them, which takes memory.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(10**11),
               "MALLOC_TOP_PAD_": str(2**28)}


def lrd(programs, work, folder, tag="lrd"):
    """Writes FOLDER/TAG.safetensors, then waits for its turn."""
    what = json.dumps(asdict(work) | {"folder": str(folder / (tag + "-cache"))})
    command = [str(programs / "step_server"), str(folder / (tag + ".safetensors")), what]
    if work.processes > 1:
        command = ["mpirun", "-n", str(work.processes), *command]
    return Side(tag, command, work)


def pytorch(weights, work, mode, keep_memory=True):
    command = [sys.executable, str(HERE / "pytorch_step.py"), str(weights),
               json.dumps(asdict(work) | {"mode": mode})]
    return Side(f"PyTorch {mode}", command, work, KEEP_MEMORY if keep_memory else (), mode)
