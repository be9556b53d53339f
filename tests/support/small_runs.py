"""Predictions and folders of finished runs that nobody ran."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import small_trials

from ser_tinyml import files, metrics

CLASSES = small_trials.CLASSES


def rows(*, speakers: int = 12, clips: int = 3) -> pd.DataFrame:
    """Of each speaker so many clips of each class, half of RAVDESS and half of SAVEE."""
    return pd.DataFrame(
        {
            "key": f"{corpus}/{speaker}-{label}-{clip}",
            "corpus": corpus,
            "speaker": f"{corpus}-{speaker}",
            "label": label,
            "label_id": label_id,
        }
        for speaker in range(speakers)
        for corpus in [("RAVDESS", "SAVEE")[speaker % 2]]
        for label_id, label in enumerate(CLASSES)
        for clip in range(clips)
    )


def predictions(
    right: float, *, seed: int = 0, of: pd.DataFrame | None = None, threshold: float = 0.5
) -> pd.DataFrame:
    """Answers of which about so many are right, drawn anew for each seed."""
    table = rows() if of is None else of
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(table)) >= right
    answers = (table["label_id"] + wrong * rng.integers(1, 3, len(table))) % 3
    return metrics.predictions(
        table, small_trials.sure(answers), classes=CLASSES, threshold=threshold
    )


def write(
    folder: Path,
    table: pd.DataFrame,
    *,
    stage: str = "04_convert",
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """A run as `workflow.compare` reads it.

    Parameters
    ----------
    table
        Its predictions.
    parameters
        Of its stages, as done.json keeps them.
    """
    files.write_table(folder / stage / "predictions.csv", table)
    files.write_json(folder / "02_features" / "metrics.json", {"protocol": "speaker"})
    files.write_json(folder / "07_evaluate" / "metrics.json", {"test_folds": "0 1"})
    for name, values in (parameters or {}).items():
        files.write_json(folder / name / "done.json", {"parameters": dict(values)})
    return folder
