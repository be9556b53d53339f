"""Golden clips: sounds, and what a board must make of each, as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml import files
from ser_tinyml.files import DataError

LIST = "golden.json"
STAGES = ("waveform", "features", "inputs", "outputs")
ABOUT = "What the board must equal. Sounds are synthetic: they prove the machinery."


@dataclass(frozen=True, kw_only=True)
class GoldenClip:
    """One sound and everything that the board must make of it.

    Attributes
    ----------
    name, about
        A word and a few words.
    label
        The answer.
    onset
        Frame at which the features begin.
    waveform [shape=(n,)]
        int16, at the rate of the features.
    features [shape=(steps, n_inputs)]
        float32, not normalised.
    inputs [shape=(steps, n_inputs)]
        int8.
    outputs [shape=(n_classes,)]
        int8, after the last step, from a fresh state.
    """

    name: str
    about: str
    label: str
    onset: int
    waveform: np.ndarray
    features: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Golden:
    """The golden clips of one model.

    Attributes
    ----------
    model_id, model_sha256, feature_hash
        Whose they are: of the export, of its .tflite file, of its feature configuration.
    sample_rate
        Of all waveforms, in Hz.
    labels
        Names of the outputs, in order.
    clips
        In the order of the list.
    """

    model_id: str
    model_sha256: str
    feature_hash: str
    sample_rate: int
    labels: Sequence[str]
    clips: Sequence[GoldenClip]

    @classmethod
    def read(cls, folder: str | Path) -> Golden:
        """Read what `write` wrote.

        Raises
        ------
        DataError
            If the list or a file of it is missing or broken.
        """
        folder = Path(folder)
        listed = files.read_json(folder / LIST)
        names = [one.name for one in fields(cls)]
        missing = [name for name in names if not isinstance(listed, dict) or name not in listed]
        if missing:
            raise DataError(f"{folder / LIST}: expected {missing} of golden clips, found none")
        head = {name: listed[name] for name in names}
        return cls(**{**head, "clips": [_read_clip(folder, clip) for clip in listed["clips"]]})

    def write(self, folder: str | Path) -> list[Path]:
        """Write the arrays as .npy files and the list of them as golden.json."""
        folder = Path(folder)
        written, listed = [], []
        for number, clip in enumerate(self.clips):
            names = {stage: f"{number:02d}_{clip.name}.{stage}.npy" for stage in STAGES}
            written += [
                files.write_array(folder / names[stage], getattr(clip, stage)) for stage in STAGES
            ]
            listed.append(
                {
                    "name": clip.name,
                    "about": clip.about,
                    "label": clip.label,
                    "samples": len(clip.waveform),
                    "onset": clip.onset,
                    "files": names,
                }
            )
        head = {name: value for name, value in vars(self).items() if name != "clips"}
        whole = {"about": ABOUT, **head, "labels": list(self.labels), "clips": listed}
        return [*written, files.write_json(folder / LIST, whole)]


def _read_clip(folder: Path, listed: dict[str, Any]) -> GoldenClip:
    try:
        arrays = {stage: np.load(folder / listed["files"][stage]) for stage in STAGES}
        words = {name: listed[name] for name in ("name", "about", "label", "onset")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / LIST}: expected all of {listed}, found: {error!r}") from error
    return GoldenClip(**words, **arrays)
