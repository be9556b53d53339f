"""Colours, sizes and the saving of figures."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from ser_tinyml import files

EMOTION_COLOURS = {
    "neutral": "#8c8c8c",
    "calm": "#7fb5c9",
    "happy": "#e8b425",
    "sad": "#4c6fb1",
    "angry": "#c8382e",
    "fear": "#7a4fa3",
    "disgust": "#5f8f3a",
    "surprise": "#ef8a3c",
    "unpleasant": "#8e3b46",
}
CORPUS_COLOURS = {
    "RAVDESS": "#3b6fa0",
    "TESS": "#c9713d",
    "SAVEE": "#4d9a6a",
    "CREMA-D": "#a15b9e",
}
MODEL_COLOURS = ("#b8323c", "#34495e", "#e0a030", "#4d9a6a", "#7a4fa3")


def use() -> None:
    """Set the look of every figure that follows."""
    sns.set_theme(context="notebook", style="whitegrid")
    mpl.rcParams.update(
        {
            "figure.figsize": (9, 4),
            "figure.dpi": 80,
            "savefig.dpi": 110,
            "figure.constrained_layout.use": True,
            "axes.titleweight": "bold",
            "axes.titlesize": 12,
            "axes.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "grid.alpha": 0.4,
            "svg.hashsalt": "ser-tinyml",
        }
    )


def save(figure: Figure, path: str | Path) -> Path:
    """Save a figure as PNG without the date and version that would change its bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return files.write_bytes(path, stream.getvalue())
