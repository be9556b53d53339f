"""Diagrams for the notebooks: how the released model works, drawn from its own numbers."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ser_tinyml import files
from ser_tinyml.data import folds
from ser_tinyml.plots import style
from ser_tinyml.plots.diagrams.board_stream import stream
from ser_tinyml.plots.diagrams.effect import effect_sizes
from ser_tinyml.plots.diagrams.generated import export
from ser_tinyml.plots.diagrams.int8 import int8_arithmetic
from ser_tinyml.plots.diagrams.lstm import lstm_step
from ser_tinyml.plots.diagrams.sides import splits
from ser_tinyml.tflite.release import Release

OF_MODELS = {
    "lstm_step": lstm_step,
    "int8_arithmetic": int8_arithmetic,
    "export": export,
    "stream": stream,
}
OTHERS = ("splits", "effect_sizes")
MADE_FROM = "diagrams.json"  # beside the pictures: the id of the model that they show


def drawn(release: Release) -> dict[str, Figure]:
    """All diagrams, by the names of their files in images/.

    Parameters
    ----------
    release
        Another model gives other numbers. The picture of the splits is that of the committed folds,
        and that of effect sizes shows what they mean.
    """
    figures = {name: draw(release) for name, draw in OF_MODELS.items()}
    others = (splits(folds.read()), effect_sizes())
    return {**figures, **dict(zip(OTHERS, others, strict=True))}


def write(folder: Path, release: Release) -> list[Path]:
    """Draw all diagrams into a folder, and note beside them which model they show.

    Returns
    -------
    paths
        Of the pictures and of the note.
    """
    paths = []
    for name, figure in drawn(release).items():
        paths.append(style.save(figure, folder / f"{name}.png"))
        plt.close(figure)
    return [*paths, files.write_json(folder / MADE_FROM, {"model_id": release.model_id})]
