"""Two ways to split clips into training and test: by chance, and by speaker."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from ser_tinyml.plots.diagrams.shapes import INK, VALUE

CORPUS = "CREMA-D"  # the corpus of most speakers
SPEAKERS, CLIPS = 12, 40  # shown, and of each speaker
TEST_FOLD = 0
_COLOURS = (VALUE, INK)  # of training, of the test


def splits(manifest: pd.Series) -> Figure:
    """The same clips twice, a square a clip and a row a speaker.

    Parameters
    ----------
    manifest
        From `folds.read`: index key, such as CREMA-D/1001_DFA_ANG_XX; value fold.
    """
    keys = manifest[manifest.index.str.startswith(f"{CORPUS}/")].sort_index()
    speaker = keys.index.str.extract(r"/(\d+)_", expand=False)
    table = pd.DataFrame({"speaker": speaker, "test": (keys == TEST_FOLD).to_numpy()})
    shown = table[table["speaker"].isin(sorted(set(speaker))[:SPEAKERS])]
    shown = shown.groupby("speaker").head(CLIPS)
    by_speaker = {name: part.to_numpy() for name, part in shown.groupby("speaker")["test"]}
    drawn = np.random.default_rng(0).permutation(np.concatenate([*by_speaker.values()]))
    places = np.cumsum([len(part) for part in by_speaker.values()])[:-1]
    by_chance = dict(zip(by_speaker, np.split(drawn, places), strict=True))
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.8))
    _side(axes[0], "Random clips", by_chance)
    _side(axes[1], "Whole speakers", by_speaker)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in _COLOURS]
    figure.legend(handles, ["training", "test"], loc="outside lower center", ncols=2, frameon=False)
    return figure


def _side(axis: Axes, name: str, rows: dict[str, np.ndarray]) -> None:
    """One way to split; its title counts the speakers who are on both sides."""
    squares = np.full((len(rows), CLIPS), np.nan)
    for place, clips in enumerate(rows.values()):
        squares[place, : len(clips)] = clips
    axis.pcolormesh(
        squares[::-1],
        cmap=ListedColormap(_COLOURS),
        vmin=0,
        vmax=1,
        edgecolors="white",
        linewidth=1,
    )
    both = sum(0 < clips.sum() < len(clips) for clips in rows.values())
    axis.set_title(f"{name}: {both} of {len(rows)} speakers on both sides", loc="left")
    axis.set_yticks(np.arange(len(rows)) + 0.5, list(rows)[::-1])
    axis.set_xticks([])
    axis.set(xlabel="clips, a square each", ylabel=f"speakers of {CORPUS}")
    axis.grid(visible=False)
