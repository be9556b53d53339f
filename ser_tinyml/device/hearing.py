"""What a board was heard to say: kept, listed, and cut into clips."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from ser_tinyml import files
from ser_tinyml.data.corpus import label_problem
from ser_tinyml.device.protocol import Audio, Level, Message, Step
from ser_tinyml.files import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Hearing:
    """What a board that streams was heard to say, in the order of time.

    Attributes
    ----------
    rate
        Of the sound, in Hz.
    audio
        Pieces of sound.
    levels
        (second, level in dB, floor in dB, whether it is speech).
    steps
        (second, step) of the model.
    lines
        JSON lines; each is given the second of the sound at which it came.
    """

    rate: int
    audio: list[np.ndarray] = field(default_factory=list)
    levels: list[tuple[float, float, float, bool]] = field(default_factory=list)
    steps: list[tuple[float, Step]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    lost: int = 0
    _count: int = 0

    def take(self, messages: Sequence[Message]) -> None:
        """Add what a board said."""
        for item in messages:
            if isinstance(item, Audio):
                self.audio.append(item.samples)
                self._count += len(item.samples)
                self.lost = item.lost
            elif isinstance(item, Level):
                speech = item.gate in (1, 2)
                self.levels.append((self.seconds, item.level_db, item.floor_db, speech))
            elif isinstance(item, Step):
                self.steps.append((self.seconds, item))
            elif isinstance(item, dict):
                self.lines.append({**item, "second": self.seconds})

    @property
    def seconds(self) -> float:
        """The length of the sound that was heard so far."""
        return self._count / self.rate

    @property
    def samples(self) -> np.ndarray:
        """All the sound, int16 [shape=(n,)]."""
        return np.concatenate(self.audio) if self.audio else np.zeros(0, np.int16)

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """The final ones."""
        return [line for line in self.lines if line.get("event") == "decision" and line["final"]]

    def decision_table(self, labels: Sequence[str]) -> pd.DataFrame:
        """Final decisions: second, label, steps, colour of the LED, a probability a label."""
        import pandas as pd

        rows = [
            [line["second"], line["label"], line["steps"], line["colour"], *line["probabilities"]]
            for line in self.decisions
        ]
        return pd.DataFrame(rows, columns=["second", "label", "steps", "colour", *labels])

    @property
    def times_us(self) -> tuple[np.ndarray, np.ndarray]:
        """Microseconds that features and engine took, of each step."""
        steps = [step for _, step in self.steps]
        return (
            np.array([step.features_us for step in steps]),
            np.array([step.engine_us for step in steps]),
        )

    def clips(self, *, margin_s: float = 0.3) -> list[np.ndarray]:
        """The pieces in which somebody speaks, from some time before to the end the gate found."""
        samples, margin, clips = self.samples, round(margin_s * self.rate), []
        begin: int | None = None
        for line in self.lines:
            if line.get("event") != "speech":
                continue
            at = round(line["second"] * self.rate)
            if line["state"] == "begin":
                begin = max(at - margin, 0)
            elif begin is not None:
                clips.append(samples[begin:at])
                begin = None
        return clips


def save_clips(
    folder: str | Path,
    clips: Sequence[np.ndarray],
    *,
    rate: int,
    label: str,
    speaker: str,
    session: str = "",
) -> pd.DataFrame:
    """Keep recordings of the board's own microphone for a later training.

    Parameters
    ----------
    folder
        Gets ``<speaker>_<label>_<number>.wav``, numbered on from what is there, and a line of
        ``labels.csv`` for each: stage 01 reads it.
    clips
        int16 each, from `Hearing.clips`.
    session
        When or where; clips of one session are alike.

    Returns
    -------
    table
        Of all clips in the folder: file, label, speaker, session.

    Raises
    ------
    DataError
        If label or speaker is not a word that can be one.
    """
    from ser_tinyml.data import labelled  # here: who only talks to a board has no tables

    for name, value in (("label", label), ("speaker", speaker)):
        if why := label_problem(value):
            raise DataError(f"{name}: {why}, found {value!r}")
    folder, number, rows = Path(folder), 0, []
    stem = re.sub(r"[^\w-]+", "-", f"{speaker}_{label}")
    for clip in clips:
        while (path := folder / f"{stem}_{(number := number + 1):03d}.wav").exists():
            pass
        stream = io.BytesIO()
        soundfile.write(stream, clip, rate, format="WAV", subtype="PCM_16")
        files.write_bytes(path, stream.getvalue())
        rows.append({"file": path.name, "label": label, "speaker": speaker, "session": session})
    return labelled.append(folder, rows)
