#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The system calls of one save, in the order that survives a crash between any two of them.

usage: strace_save.py SAVE_ONCE
Runs it under strace, checks the order, then leaves each event out of the record in turn and sees
that the check notices. Exit status 77: skipped, strace is missing or may not trace.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

CALLS = "openat,write,pwrite64,read,pread64,fsync,fdatasync,rename,renameat,renameat2"
STATE, MANIFEST, LATEST = "state.h5", "manifest.json", ".tmp-latest"


def record(program, run, step):
    """[(call, path, other path, result)] of the save of `step`, paths relative to the run."""
    log = os.path.join(run, "..", "strace.log")
    command = ["strace", "-f", "-y", "-s", "0", "-o", log, "-e", "trace=" + CALLS, program, run,
               str(step)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"save failed: {done.returncode} {done.stderr}")
    events = []
    with open(log) as lines:
        for line in lines:
            by_fd = re.search(r"(\w+)\(\d+<([^>]*)>.*\) += (-?\d+)", line)
            moved = re.search(r'(rename)\w*\(.*?"([^"]*)".*"([^"]*)".*\) += (-?\d+)', line)
            if moved:
                events.append((moved[1], os.path.relpath(moved[2], run),
                               os.path.relpath(moved[3], run), int(moved[4])))
            elif by_fd and by_fd[2].startswith(run):
                events.append((by_fd[1], os.path.relpath(by_fd[2], run), "", int(by_fd[3])))
    return events


def stages(step, tensor_bytes, file_bytes):
    """Name of each stage and what it needs: (name, call, path pattern, least sum of results)."""
    new = rf"ckpt/\.tmp-step-{step:08}-[^/]*"
    final = f"ckpt/step-{step:08}"
    return [
        ("write of the state", "pwrite64", new + "/" + STATE, tensor_bytes),
        ("fsync of the state", "fsync", new + "/" + STATE, 0),
        ("read-back of the state", "pread64", new + "/" + STATE, tensor_bytes),
        ("digest of the state", "read", new + "/" + STATE, file_bytes),
        ("write of the manifest", "write", new + "/" + MANIFEST, 1),
        ("fsync of the manifest", "fsync", new + "/" + MANIFEST, 0),
        ("fsync of the new directory", "fsync", new, 0),
        ("rename of the directory", "rename", new + " " + final, 0),
        ("fsync of its parent", "fsync", "ckpt", 0),
        ("write of latest", "write", r"\.tmp-latest-\d+", 1),
        ("fsync of latest", "fsync", r"\.tmp-latest-\d+", 0),
        ("rename of latest", "rename", r"\.tmp-latest-\d+ latest", 0),
        ("fsync of the run", "fsync", r"\.", 0),
        ("removal of the old one", "rename", r"ckpt/step-\d+ ckpt/\.tmp-old-\d+", 0),
    ]


def matches(event, call, pattern):
    name = f"{event[1]} {event[2]}".strip()
    return event[0] == call and event[3] >= 0 and re.fullmatch(pattern, name)


def check(events, wanted):
    """"" or the first stage that is missing or out of order."""
    begin = 0
    for name, call, pattern, least in wanted:
        total, last = 0, None
        for i in range(begin, len(events)):
            if matches(events[i], call, pattern):
                total += events[i][3]
                last = i
                if total >= least and call != "pwrite64":
                    break
        if last is None or total < least:
            return name
        early = [e for e in events[:begin] if matches(e, call, pattern)]
        if early and call in ("rename", "fsync"):
            return name + " (too early)"
        begin = last + 1
    return ""


def main():
    program = sys.argv[1]
    probe = None
    if shutil.which("strace"):
        probe = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True)
    if probe is None or probe.returncode != 0:
        print("skipped: strace is missing or may not trace here")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(os.path.realpath(folder), "run")
        subprocess.run([program, run, "1"], check=True)
        events = record(program, run, 2)
        file_bytes = os.path.getsize(os.path.join(run, "ckpt/step-00000002", STATE))
        wanted = stages(2, 3 * (300 * 70 + 7) * 4 + 20, file_bytes)
        problem = check(events, wanted)
        for event in events if problem else []:
            print(*event)
        if problem:
            sys.exit(f"missing or out of order: {problem}")
        for name, call, pattern, _ in wanted:
            without = [e for e in events if not matches(e, call, pattern)]
            if check(without, wanted) == "":
                sys.exit(f"the check does not notice that the {name} is left out")
        print(f"{len(wanted)} stages in order; leaving out any of them is noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
