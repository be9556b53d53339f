"""The same sketch without its board: on a processor without FPU and DSP, a WAV its microphone."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ser_tinyml.device.emulation.toolchain import (
    CORTEX_M3,
    CORTEX_M4F,
    QEMU,
    Target,
    build,
    emulator,
)
from ser_tinyml.files import DataError, read_bytes

RATE = 16_000  # Hz


@dataclass(frozen=True)
class Heard:
    """What a board said of a recording, line by line."""

    target: Target
    lines: list[dict[str, Any]]

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """Final ones."""
        return [line for line in self.lines if line["event"] == "decision" and line["final"]]


def hear(folder: Path, model: str | Path, samples: np.ndarray, *, target: Target) -> Heard:
    """Compile ``firmware/other_board`` for a processor and let it hear a recording.

    Parameters
    ----------
    folder
        To build in; is made.
    model
        Folder with the generated sources of a model.
    samples [shape=(n,)]
        int16 at 16 kHz.

    Raises
    ------
    DataError
        If it does not compile, or ends with a failure.
    """
    program = build(folder, model, main="other_board", target=target)
    soundfile.write(folder / "microphone.wav", samples, RATE, subtype="PCM_16")
    done = subprocess.run(
        emulator(program, target=target),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode:
        raise DataError(f"{QEMU}: {target.machine} ended with {done.returncode}: {done.stderr}")
    said = read_bytes(folder / "line.out").decode("ascii")
    return Heard(target, [json.loads(line) for line in said.splitlines()])


def compare(folder: Path, model: str | Path, samples: np.ndarray) -> dict[str, Any]:
    """The recording on a Cortex-M3 and on a Cortex-M4F.

    Returns
    -------
    found
        processor, the number of final decisions, and whether both said the same, line for line.
    """
    plain = hear(folder / "m3", model, samples, target=CORTEX_M3)
    board = hear(folder / "m4f", model, samples, target=CORTEX_M4F)
    return {
        "processor": CORTEX_M3.name,
        "decisions": len(plain.decisions),
        "same": plain.lines == board.lines,
    }
