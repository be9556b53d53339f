"""How far the probabilities can be believed, and what keeping back the unsure answers buys."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ser_tinyml.plots.scores import colours_of_lines
from ser_tinyml.training.calibration import calibration_error

_FEW = 10  # clips in a bin below which its share says little
_FEWEST_ANSWERED = 20  # the same of the answered


def reliability_diagram(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Accuracy over confidence, and below how often each confidence occurs.

    Parameters
    ----------
    tables
        Title -> what `calibration.reliability` gives; for example before and after a temperature.
    """
    figure, axes = plt.subplots(
        2,
        len(tables),
        figsize=(4.2 * len(tables) + 0.6, 5.2),
        sharex=True,
        sharey="row",
        squeeze=False,
        height_ratios=(3, 1),
    )
    for (title, table), (upper, lower) in zip(tables.items(), axes.T, strict=True):
        some = table[table["n"] > 0]
        bars = {"width": some["high"] - some["low"], "align": "edge", "edgecolor": "white"}
        colours = np.where(some["n"] < _FEW, "#c3d2e2", "#3b6fa0")
        upper.bar(some["low"], some["accuracy"], color=colours, **bars)
        upper.plot([0, 1], [0, 1], color="black", linestyle=":", linewidth=1.2)
        upper.hlines(
            some["confidence"], some["low"], some["high"], color="#c8382e", linewidth=2.5, zorder=3
        )
        upper.set_title(f"{title}\nECE {calibration_error(table):.3f}, n = {table['n'].sum()}")
        upper.set(xlim=(0, 1), ylim=(0, 1), xticks=np.linspace(0, 1, 6))
        lower.bar(some["low"], some["n"] / some["n"].sum(), color="#8c8c8c", **bars)
        lower.set_xlabel("confidence: probability of the answer")
        lower.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("clips")
    handles = [
        plt.Rectangle((0, 0), 1, 1, color="#3b6fa0"),
        plt.Rectangle((0, 0), 1, 1, color="#c3d2e2"),
        plt.Line2D([], [], color="#c8382e", linewidth=2.5),
    ]
    names = ["accuracy", f"of fewer than {_FEW} clips", "mean confidence"]
    axes[0, 0].legend(handles, names, edgecolor="none", loc="upper left")  # hides pale bars
    return figure


def risk_coverage(
    curves: Mapping[str, pd.DataFrame],
    *,
    thresholds: Mapping[str, float] | None = None,
    points: Mapping[str, tuple[float, float]] | None = None,
    target_accuracy: float | None = None,
) -> Figure:
    """Accuracy of the answers that are given, over the share of clips that get one.

    Parameters
    ----------
    curves
        Model, or corpus, or pool -> what `calibration.risk_coverage` gives.
    thresholds
        Model -> its threshold, marked where it lies on the curve of these clips.
    points
        Model -> coverage and accuracy where its answers are of several nets, each with a threshold
        of its own: no single threshold gives that point, so it may lie beside the curve.
    target_accuracy
        What the thresholds were to reach.
    """
    figure, axis = plt.subplots(figsize=(10, 4), layout="constrained")
    colours = colours_of_lines(curves)
    for model, table in curves.items():
        colour = colours[model]
        shown = table[table["n_answered"] >= _FEWEST_ANSWERED]
        axis.plot(shown["coverage"], shown["accuracy"], color=colour, label=model)
        threshold = (thresholds or {}).get(model, np.inf)
        answered = table[table["threshold"] >= threshold]
        if len(answered):
            at = answered.iloc[-1]
            _mark(axis, f"from {threshold:.2f} on", at["coverage"], at["accuracy"], colour)
        if model in (points or {}):
            _mark(axis, "each net from its own threshold on", *points[model], colour)
    if target_accuracy is not None:
        label = f"target: {target_accuracy:.0%}"
        axis.axhline(target_accuracy, color="black", linestyle=":", linewidth=1, label=label)
    axis.set(
        title="Answering only when sure",
        xlabel="clips that are answered",
        ylabel="of these, right",
        xlim=(0, 1.01),
    )
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _mark(axis: Axes, where: str, coverage: float, accuracy: float, colour: str) -> None:
    """A dot where a model works, with its numbers in the legend."""
    label = f"{where}:\n{coverage:.0%} answered, {accuracy:.0%} of them right"
    axis.plot(coverage, accuracy, "o", color=colour, markersize=8, label=label)
