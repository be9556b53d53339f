"""The small model as the firmware's sources and golden vectors, and programs compiled with it."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import small_model

from ser_tinyml import board, firmware
from ser_tinyml.features import FeatureConfig

CONFIG = FeatureConfig(name="small", n_frames=12, n_mfcc=5, n_mels=10, onset_db=9.0)
LABELS = ("calm", "cross", "glad")
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
