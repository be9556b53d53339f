"""Folders of trials that nobody trained: the small model, and answers made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import small_firmware as small
from make_audio import record

from ser_tinyml import files
from ser_tinyml.evaluation.trials import Material

CLASSES = list(small.LABELS)
SPEAKERS = {  # corpus: its speakers; CREMA-D has no clip of the last class
    "RAVDESS": ("01", "02"),
    "SAVEE": ("DC",),
    "CREMA-D": ("1001",),
    "TESS": ("OAF",),
}


def table(*, split: str = "test", clips: int = 2) -> pd.DataFrame:
    """Rows: of each speaker so many clips of each class; CREMA-D has none of the last."""
    return pd.DataFrame(
        {
            "key": f"{corpus}/{split}-{speaker}-{label}-{clip}",
            "corpus": corpus,
            "speaker": f"{corpus}-{speaker}",
            "sex": "female",
            "emotion": label,
            "label": label,
            "label_id": label_id,
            "split": split,
        }
        for corpus, speakers in SPEAKERS.items()
        for speaker in speakers
        for label_id, label in enumerate(CLASSES[: 2 if corpus == "CREMA-D" else 3])
        for clip in range(clips)
    )


def sure(label_ids: Sequence[int] | np.ndarray, probability: float = 0.8) -> np.ndarray:
    """Answers that give one class so much, and the others alike [shape=(n, 3)]."""
    found = np.full((len(label_ids), 3), (1 - probability) / 2)
    found[np.arange(len(label_ids)), label_ids] = probability
    return found


def write(
    folder: Path,
    *,
    test: np.ndarray | None = None,
    float_test: np.ndarray | None = None,
    fold: int = 0,
    seed: int = 0,
    threshold: float = 0.5,
    **size: float,
) -> Path:
    """A finished trial; without answers to a test it has a validation part alone.

    Parameters
    ----------
    test, float_test [shape=(rows of `table`, 3)]
        Probabilities of int8 and of Keras; default of the second: the first.
    """
    parts = {"validation": table(split="validation")}
    answers = {"validation": sure(parts["validation"]["label_id"])}
    if test is not None:
        parts["test"], answers["test"] = table(), test
    arrays = {
        f"{kind}_{name}": value for name, value in answers.items() for kind in ("float", "int8")
    }
    if float_test is not None:
        arrays["float_test"] = float_test
    made = small.release()
    files.write_bytes(folder / "int8.tflite", made.tflite)
    made.config.save(folder / "features.json")
    made.normalisation.save(folder / "normalisation.json")
    files.write_json(folder / "labels.json", CLASSES)
    files.write_json(folder / "decision.json", {"threshold": threshold})
    files.write_table(folder / "rows.csv", pd.concat(parts.values()))
    np.savez(folder / "answers.npz", **arrays)
    about: Mapping[str, object] = {
        **{"fold": fold, "seed": seed},
        "size": {"bytes": 1000, "parameters": 900, "macs_per_s": 5000.0, **size},
    }
    files.write_json(folder / "trial.json", about)
    return folder


def material(folder: Path) -> Material:
    """Recordings of all rows of `table`: a tone that swells and fades, another for each clip."""
    clips = pd.concat([table(), table(split="validation")], ignore_index=True)
    rate = small.CONFIG.sample_rate
    time = np.arange(rate) / rate
    for number, key in enumerate(clips["key"]):
        tone = np.sin(2 * np.pi * (200 + 37 * number) * time) * np.sin(np.pi * time) ** 2
        record(folder / f"{key}.wav", (0.2 * tone).astype(np.float32), sample_rate=rate)
    clips = clips.assign(path=clips["key"] + ".wav", sha256=clips["key"])
    return Material(clips, folder, folder / "made")
