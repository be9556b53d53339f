"""How the score falls with level, noise, band, room and microphone."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ser_tinyml.plots.style import MODEL_COLOURS

_MARKERS = "os^Dv"  # for the kinds of noise
_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1)))
_TITLES = ("Level", "Noise", "Band, room, microphone")


def robustness(scores: pd.DataFrame, *, chance: float | None = None) -> Figure:
    """UAR over the gain, over the ratio of speech to noise, and under all else; thin: clean.

    Parameters
    ----------
    scores
        Columns model, uar and those of `degrade.table`; a line for each model and condition, the
        clean one among them.
    chance
        UAR of always giving one answer.
    """
    models = list(dict.fromkeys(scores["model"]))
    colours = {name: MODEL_COLOURS[i % len(MODEL_COLOURS)] for i, name in enumerate(models)}
    figure, axes = plt.subplots(
        1, 3, figsize=(13, 4.5), sharey=True, width_ratios=(3, 3, 3.6), layout="constrained"
    )
    for axis, title in zip(axes, _TITLES, strict=True):
        axis.set_title(title)
        for model, colour in colours.items():
            clean = scores[(scores["model"] == model) & (scores["group"] == "clean")]
            axis.axhline(clean["uar"].iloc[0], color=colour, linewidth=0.9, alpha=0.6, zorder=1)
        if chance is not None:
            axis.axhline(chance, color="black", linestyle=":", linewidth=1)
    kinds = list(dict.fromkeys(scores.loc[scores["group"] == "noise", "kind"]))
    styles = {
        kind: {"marker": _MARKERS[i % len(_MARKERS)], "linestyle": _LINES[i % len(_LINES)]}
        for i, kind in enumerate(kinds)
    }
    for model, colour in colours.items():
        own = scores[scores["model"] == model]
        _curve(axes[0], own[own["group"] == "gain"], color=colour, marker="o")
        for kind, style in styles.items():
            chosen = own[(own["group"] == "noise") & (own["kind"] == kind)]
            _curve(axes[1], chosen, color=colour, **style)
    _bars(axes[2], scores, colours)
    axes[0].set(xlabel="gain (dB); 16 bits, clipped at full scale", ylabel="UAR")
    axes[1].set(xlabel="speech over noise (dB)")
    axes[1].invert_xaxis()
    axes[0].set_ylim(0, 1)
    lines = [Line2D([], [], color=colour, label=model) for model, colour in colours.items()]
    lines.append(Line2D([], [], color="#555555", linewidth=0.9, alpha=0.6, label="clean"))
    if chance is not None:
        lines.append(Line2D([], [], color="black", linestyle=":", linewidth=1, label="chance"))
    lines += [
        Line2D([], [], color="#555555", label=kind, **style) for kind, style in styles.items()
    ]
    figure.legend(
        handles=lines, frameon=False, loc="outside lower center", ncols=len(lines), handlelength=3
    )
    return figure


def _curve(axis: Axes, scores: pd.DataFrame, **style: object) -> None:
    scores = scores.sort_values("strength")
    axis.plot(scores["strength"], scores["uar"], markersize=5, linewidth=1.5, **style)
    axis.set_xticks(scores["strength"])


def _bars(axis: Axes, scores: pd.DataFrame, colours: dict[str, str]) -> None:
    """Neighbouring bars for the models, condition by condition."""
    others = scores[~scores["group"].isin(["clean", "gain", "noise"])]
    names = list(dict.fromkeys(others["condition"]))
    width = 0.8 / len(colours)
    for index, (model, colour) in enumerate(colours.items()):
        uar = others[others["model"] == model].set_index("condition")["uar"].reindex(names)
        place = np.arange(len(names)) + (index - (len(colours) - 1) / 2) * width
        bars = axis.bar(place, uar, width=width, color=colour, linewidth=0)
        axis.bar_label(bars, fmt="%.2f", fontsize=8, padding=-12, color="white")
    axis.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names])
    axis.grid(axis="x", visible=False)
