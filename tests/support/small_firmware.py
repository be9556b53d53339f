"""The small model as the firmware's sources and golden vectors, and programs compiled with it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import small_model

from ser_tinyml.device.export import Export
from ser_tinyml.device.export.golden import golden_clips
from ser_tinyml.device.export.sources import write_sources
from ser_tinyml.device.golden import Golden, GoldenClip
from ser_tinyml.device.virtual import build
from ser_tinyml.features import FeatureConfig
from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.tflite.release import Release

CONFIG = FeatureConfig(name="small", n_frames=12, n_mfcc=5, n_mels=10, onset_db=9.0)
LABELS = ("calm", "cross", "glad")
THRESHOLD = 0.45
SANITIZED = (
    *("-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    *("-Wpedantic", "-Werror"),
)
PROGRAMS = Path(__file__).parent / "firmware"


@cache
def export() -> Export:
    mean, std = (np.linspace(*ends, 5).astype(np.float32) for ends in ((-150, 3), (90, 7)))
    return Export(
        folder=Path("small"),
        tflite=small_model.tflite("int8"),
        config=CONFIG,
        labels=list(LABELS),
        normalisation=Normalisation(mean, std),
        threshold=THRESHOLD,
    )


def release() -> Release:
    """The same for those who need no C++."""
    return export()


@cache
def golden_set() -> Golden:
    return golden_clips(export())


def golden() -> Sequence[GoldenClip]:
    return golden_set().clips


@cache
def _temporary() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()


@cache
def model_folder() -> Path:
    folder = Path(_temporary().name) / "model"
    write_sources(folder, export())
    return folder


@cache
def golden_folder() -> Path:
    folder = Path(_temporary().name) / "golden"
    golden_set().write(folder)
    return folder


def run(name: str, *arguments: str, stdin: bytes = b"", model: Path | None = None) -> bytes:
    """Compile tests/firmware/<name>.cpp under the sanitizers and run it."""
    program = build(model or model_folder(), flags=SANITIZED, source=PROGRAMS / f"{name}.cpp")
    return execute(program, *arguments, stdin=stdin)


def execute(program: Path, *arguments: str, stdin: bytes = b"", timeout: int = 240) -> bytes:
    """What a compiled program prints."""
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, timeout=timeout)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    return done.stdout


@dataclass
class Heard:
    """What listener_test printed."""

    gates: list[int] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)  # number, last frame
    features: list[list[float]] = field(default_factory=list)
    inputs: list[list[int]] = field(default_factory=list)
    outputs: list[list[int]] = field(default_factory=list)
    decisions: list[tuple[int, int, int, int]] = field(default_factory=list)  # see DECISION
    probabilities: list[list[float]] = field(default_factory=list)  # of each decision
    onset: int = -1


DECISION = ("label", "last", "steps", "voice_frames")


def listen(samples: np.ndarray, mode: str, *, chunk: int = 512, model: Path | None = None) -> Heard:
    """Samples through the compiled listener in a mode: live, clip or whole."""
    sound = samples.astype("<i2").tobytes()
    out = run("listener_test", mode, str(chunk), stdin=sound, model=model)
    heard = Heard()
    for line in out.decode().splitlines():
        word, *values = line.split()
        if word == "frame":
            heard.gates.append(int(values[1]))
            heard.levels.append(float.fromhex(values[2]))
        elif word == "step":
            number, frame, n_inputs, *numbers = values
            n_inputs = int(n_inputs)
            heard.steps.append((int(number), int(frame)))
            heard.features.append([float.fromhex(x) for x in numbers[:n_inputs]])
            heard.inputs.append([int(x) for x in numbers[n_inputs : 2 * n_inputs]])
            heard.outputs.append([int(x) for x in numbers[2 * n_inputs :]])
        elif word == "decision":
            heard.decisions.append(tuple(int(x) for x in values[: len(DECISION)]))
            heard.probabilities.append([float.fromhex(x) for x in values[len(DECISION) :]])
        else:
            heard.onset = int(values[0])
    return heard
