"""Thousands of broken files: an answer or one line, never a crash, a hang or a full memory.

``SER_FUZZ=20000 pytest tests/sound/test_fuzz.py`` tries more of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ser_tinyml.provenance import ROOT

COUNT = int(os.environ.get("SER_FUZZ", "2000"))
AT_ONCE = 1000  # inputs of a worker
PROGRAM = ROOT / "tests" / "support" / "fuzz_sound.py"


def tried(folder: Path, first: int, count: int) -> list[str]:
    """Faults of some inputs. A worker that dies is followed by another, from the next input on."""
    faults, end = [], first + count
    while first < end:
        output = folder / f"from_{first}"
        command = [sys.executable, PROGRAM, folder / "work", str(first), str(end - first), output]
        paths = os.pathsep.join([str(ROOT), str(PROGRAM.parent)])
        try:
            done = subprocess.run(
                command,
                env={**os.environ, "PYTHONPATH": paths},
                stderr=subprocess.PIPE,
                timeout=30 + 0.5 * (end - first),
            )
            died = f"status {done.returncode}: {done.stderr[-500:].decode(errors='replace')}"
        except subprocess.TimeoutExpired:
            died = "a hang"
        lines = [json.loads(line) for line in output.read_text().splitlines()]
        faults += [f"{line['done']}: {line['fault']}" for line in lines if line.get("fault")]
        if "input" in lines[-1]:
            faults.append(f"{lines[-1]['input']} ({lines[-1]['name']}): {died}")
        first = max(line.get("input", -1) for line in lines) + 1
    return faults


@pytest.mark.timeout(4 * 3600)
def test_broken_files_are_answered_or_refused(tmp_path) -> None:
    faults = []
    for first in range(0, COUNT, AT_ONCE):
        faults += tried(tmp_path, first, min(AT_ONCE, COUNT - first))
    assert not faults
    lines = [json.loads(line) for path in tmp_path.glob("from_*") for line in path.open()]
    read = [line["read"] for line in lines if "done" in line]
    assert len(read) == COUNT
    assert 0.2 < sum(read) / COUNT < 0.95  # the changes are neither too small nor too large
