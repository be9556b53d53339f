"""The small model as the firmware's sources and golden vectors, and programs compiled with it."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import small_model

from ser_tinyml.device import board, firmware
from ser_tinyml.features import FeatureConfig
from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.tflite.release import Release

CONFIG = FeatureConfig(name="small", n_frames=12, n_mfcc=5, n_mels=10, onset_db=9.0)
LABELS = ("calm", "cross", "glad")
THRESHOLD = 0.45
SANITIZED = (
    *("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    *("-Wpedantic", "-Werror"),
)
PROGRAMS = Path(__file__).parent / "firmware"


@cache
def export() -> firmware.Export:
    return firmware.Export(
        tflite=small_model.tflite("int8"),
        config=CONFIG,
        labels=LABELS,
        mean=np.linspace(-150, 3, 5).astype(np.float32),
        std=np.linspace(90, 7, 5).astype(np.float32),
        threshold=THRESHOLD,
    )


@cache
def release() -> Release:
    made = export()
    return Release(
        folder=Path("small"),
        tflite=made.tflite,
        config=made.config,
        normalisation=Normalisation(made.mean, made.std),
        labels=list(made.labels),
        threshold=made.threshold,
    )


@cache
def golden() -> list[firmware.GoldenClip]:
    return firmware.golden_clips(export())


@cache
def _temporary() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()


@cache
def model_folder() -> Path:
    folder = Path(_temporary().name) / "model"
    firmware.write_sources(folder, export())
    return folder


@cache
def golden_folder() -> Path:
    folder = Path(_temporary().name) / "golden"
    firmware.write_golden(folder, export(), golden())
    return folder


def run(name: str, *arguments: str, stdin: bytes = b"", model: Path | None = None) -> bytes:
    """Compile tests/firmware/<name>.cpp under the sanitizers and run it."""
    program = board.build_virtual_board(
        model or model_folder(), flags=SANITIZED, source=PROGRAMS / f"{name}.cpp"
    )
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, timeout=240)
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
