#!/usr/bin/env python3
"""A C++ compiler that keeps what it compiled, for the tests: conftest.py names it in ``CXX``.

Dozens of programs hold the firmware against Python, and nearly all their units are the same. A unit
is preprocessed by the real compiler, and its object is kept under the hash of what came out, of the
flags and of the compiler. So an object is taken where the compiler would make the same one again,
and a changed line, header, flag or compiler is compiled anew. Workers wait for each other's units.

The real compiler is that of ``SER_REAL_CXX``, or ``c++``. What is no program of several units goes
to it as it is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

KEPT = Path(__file__).resolve().parents[2] / "firmware" / "virtual_board" / "build" / "objects"


def main(arguments: list[str]) -> int:
    compiler = os.environ.get("SER_REAL_CXX", "c++")
    units = [word for word in arguments if word.endswith(".cpp") and not word.startswith("-")]
    if "-fsyntax-only" in arguments or "-o" not in arguments or len(units) < 2:
        return subprocess.run([compiler, *arguments]).returncode
    at = arguments.index("-o")
    output = arguments[at + 1]
    flags = [word for word in arguments[:at] + arguments[at + 2 :] if word not in units]
    version = subprocess.run([compiler, "--version"], capture_output=True).stdout
    folder = str(Path(output).parent)  # its name is another one each time
    about = repr((compiler, version, [flag.replace(folder, "") for flag in flags]))
    objects = []
    for unit in units:
        kept = _object([compiler, *flags], unit, about=about, folder=folder)
        if kept is None:
            return 1
        objects.append(str(kept))
    return subprocess.run([compiler, *flags, *objects, "-o", output]).returncode


def _object(command: list[str], unit: str, *, about: str, folder: str) -> Path | None:
    """The object of a unit; None: it does not compile, and the compiler said why."""
    text = subprocess.run([*command, "-E", unit], stdout=subprocess.PIPE)
    if text.returncode:
        return None
    key = hashlib.sha256(about.encode() + text.stdout.replace(folder.encode(), b"")).hexdigest()
    kept = KEPT / f"{key[:32]}.o"
    KEPT.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be at it
        if not kept.is_file():
            made = kept.with_suffix(".part")
            if subprocess.run([*command, "-c", unit, "-o", str(made)]).returncode:
                return None
            os.replace(made, kept)
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
