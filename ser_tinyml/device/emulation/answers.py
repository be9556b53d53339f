"""Golden clips through the emulated device, and how its answers compare."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml import files
from ser_tinyml.device.emulation.toolchain import QEMU, emulator
from ser_tinyml.device.golden import GoldenClip
from ser_tinyml.device.protocol import (
    Decoder,
    Frame,
    Step,
    TestDone,
    clip_frames,
    encode,
    message,
)
from ser_tinyml.files import DataError

AT_ONCE = 64  # bytes that the device takes at once


@dataclass(frozen=True)
class Answers:
    """What the emulated device made of a clip.

    Attributes
    ----------
    onset
        The frame at which it let the features begin.
    features, inputs, outputs [shape=(steps, …)]
        Of the test mode, from samples on.
    engine [shape=(classes,)]
        The engine's answer to the golden inputs.
    """

    onset: int
    features: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    engine: np.ndarray


def answers(program: Path, clips: Sequence[GoldenClip]) -> list[Answers]:
    """Send clips through the test mode of the emulated device, and golden inputs to its engine.

    Raises
    ------
    DataError
        If the program fails or answers something else.
    """
    folder = program.parent
    line = b"".join(_sent(clip.waveform) for clip in clips)
    files.write_bytes(folder / "line.in", line)
    inputs = np.stack([clip.inputs for clip in clips]).astype(np.int8)
    files.write_bytes(folder / "engine.in", inputs.tobytes())
    done = subprocess.run(
        emulator(program), cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise DataError(f"{QEMU}: ended with {done.returncode}: {done.stderr.strip()}")
    engine = np.frombuffer(files.read_bytes(folder / "engine.out"), np.int8).reshape(len(clips), -1)
    tested = _tested(files.read_bytes(folder / "line.out"))
    return [
        _answer(clip, ended.onset, steps, outputs)
        for clip, (ended, steps), outputs in zip(clips, tested, engine, strict=True)
    ]


def _sent(samples: np.ndarray) -> bytes:
    """What the host sends of a clip in test mode."""
    frames = [encode(kind, 0, payload) for kind, payload in clip_frames(samples)]
    return b"".join(frames) + b"\n" * AT_ONCE  # the next test begins when this one is done


def _tested(said: bytes) -> Iterator[tuple[TestDone, list[Step]]]:
    """End and steps of every test."""
    steps: list[Step] = []
    for item in Decoder().push(said):
        what = message(item) if isinstance(item, Frame) else item
        if isinstance(what, Step):
            if what.step == 0:  # the beginning moved on
                steps = []
            steps.append(what)
        elif isinstance(what, TestDone):
            yield what, steps
            steps = []
        elif isinstance(what, dict) and what.get("event") in ("fault", "error"):
            raise DataError(f"{QEMU}: the device says {what}")


def _answer(clip: GoldenClip, onset: int, steps: Sequence[Step], outputs: np.ndarray) -> Answers:
    if len(steps) != len(clip.inputs):
        raise DataError(
            f"{QEMU}: expected {len(clip.inputs)} steps of the clip {clip.name}, found {len(steps)}"
        )
    arrays = (np.array([getattr(s, n) for s in steps]) for n in ("features", "inputs", "outputs"))
    return Answers(onset, *arrays, outputs)


def compare(clips: Sequence[GoldenClip], answers: Sequence[Answers]) -> dict[str, Any]:
    """Hold what the processor made against the golden clips."""
    pairs = list(zip(clips, answers, strict=True))
    std = np.stack([clip.features for clip in clips]).std(axis=(0, 1))
    difference = np.stack([answer.features - clip.features for clip, answer in pairs])
    units = np.stack([np.abs(answer.inputs.astype(int) - clip.inputs) for clip, answer in pairs])
    return {
        "clips": len(clips),
        "onsets_equal": sum(answer.onset == clip.onset for clip, answer in pairs),
        "feature_difference_std": float((np.abs(difference) / std).max()),
        "input_units": int(units.max()),
        "inputs_equal": float((units == 0).mean()),
        "engine_identical": sum(np.array_equal(a.engine, c.outputs) for c, a in pairs),
        "outputs_identical": sum(np.array_equal(a.outputs[-1], c.outputs) for c, a in pairs),
    }
