"""Plain C out of ONNX, ahead of time, and a program around it that reads and prints numbers.

The platform that published the net over 162 features compiled it with deepC, whose last release is
of 2019 and does not install any more. emx-onnx-cgen does today what deepC did: C without a runtime.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT

MODULES = ("emx_onnx_cgen",)
TOOLS = ("cc", "size")
MAIN = ROOT / "firmware" / "systems" / "answer.c"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra")


def write(onnx: Path, folder: Path, *, name: str) -> Path:
    """Make C of an ONNX file.

    Parameters
    ----------
    onnx
        With a batch of one.
    name
        Of the function, and of the file.

    Returns
    -------
    source
        All weights are in it; it takes nothing from the heap.

    Raises
    ------
    DataError
        If the file cannot be compiled.
    """
    source = folder / f"{name}.c"
    _run(
        [sys.executable, "-m", "emx_onnx_cgen", "compile", onnx, source],
        *("--model-name", name, "--large-weight-threshold", "0", "--large-temp-threshold", "0"),
        *("--fp32-accumulation-strategy", "simple"),
    )
    return source


def build(source: Path, *, inputs: int, outputs: int) -> Path:
    """Compile a source of `write` into a program that reads from its standard input.

    Parameters
    ----------
    inputs, outputs
        Numbers that it reads, and that it prints for them, in a line.

    Returns
    -------
    program
    """
    shutil.copyfile(MAIN, source.parent / MAIN.name)
    program = source.with_suffix("")
    defined = {"MODEL": source.stem, "INPUTS": inputs, "OUTPUTS": outputs}
    _run(
        ["cc", *FLAGS, *(f"-D{name}={value}" for name, value in defined.items())],
        *(source.parent / MAIN.name, source, "-lm", "-o", program),
    )
    return program


def answers(program: Path, features: np.ndarray) -> np.ndarray:
    """What a program prints for rows of numbers [shape=(n, inputs)].

    Raises
    ------
    DataError
        If it fails, or prints something else.
    """
    lines = "\n".join(" ".join(f"{value:.9g}" for value in row) for row in features)
    done = subprocess.run(
        [str(program)], input=f"{lines}\n", capture_output=True, text=True, check=False
    )
    found = [line.split() for line in done.stdout.splitlines()]
    if done.returncode or len(found) != len(features):
        raise DataError(
            f"{program}: expected {len(features)} answers, found {len(found)}: "
            f"{done.stderr.strip() or done.returncode}"
        )
    return np.array(found, np.float64)


def _run(command: list[str | Path], *more: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in (*command, *more)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise DataError(f"{command[0]}: expected it to compile, found: {' '.join(said)}")


def code_bytes(source: Path) -> int:
    """Bytes of code and weights when a source is compiled for size, as for flash."""
    made = source.with_suffix(".o")
    _run(["cc", *FLAGS, "-Os", "-c", source, "-o", made])
    done = subprocess.run(["size", str(made)], capture_output=True, text=True, check=True)
    made.unlink()
    text, data, *_ = done.stdout.splitlines()[1].split()
    return int(text) + int(data)
