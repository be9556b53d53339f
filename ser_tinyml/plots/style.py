"""Colours, sizes and the saving of figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import matplotlib as mpl
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
LED_COLOURS = {  # of the board's LED, by its names in `device.export.colours`, for screens
    "red": "#e03131",
    "green": "#37b24d",
    "yellow": "#f2c037",
    "blue": "#3b6fe0",
    "magenta": "#c04fc0",
    "cyan": "#22b8cf",
    "white": "#f1f3f5",
}
LINE_COLOURS = (  # of seaborn's palette "deep"
    *("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3"),
    *("#937860", "#da8bc3", "#8c8c8c", "#ccb974", "#64b5cd"),
)
_OTHERS = (  # labels without a colour of their own
    *("#3b6fa0", "#c9713d", "#4d9a6a", "#a15b9e", "#937860"),
    *("#da8bc3", "#64b5cd", "#8a9a2b", "#34495e", "#b05070"),
)
MODEL_COLOURS = ("#b8323c", "#34495e", "#e0a030", "#4d9a6a", "#7a4fa3")


def colours_of(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each emotion or class."""
    others = cycle(_OTHERS)
    return {label: EMOTION_COLOURS.get(label) or next(others) for label in labels}


def use() -> None:
    """Set the look of every figure that follows."""
    mpl.rcParams.update(
        {
            # Lines and colours are those of seaborn's "whitegrid"; drawing does not need seaborn.
            "axes.axisbelow": True,
            "axes.edgecolor": ".8",
            "axes.grid": True,
            "axes.labelcolor": ".15",
            "axes.linewidth": 1.25,
            "axes.prop_cycle": mpl.cycler(color=LINE_COLOURS),
            "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans"],
            "font.size": 12,
            "grid.color": ".8",
            "grid.linewidth": 1,
            "legend.title_fontsize": 12,
            "lines.solid_capstyle": "round",
            "patch.edgecolor": "w",
            "patch.force_edgecolor": True,
            "text.color": ".15",
            "text.parse_math": False,  # a label may have any sign in it
            "xtick.bottom": False,
            "xtick.color": ".15",
            "ytick.color": ".15",
            "ytick.left": False,
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
