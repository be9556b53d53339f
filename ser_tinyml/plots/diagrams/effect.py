"""What an effect size looks like: two bell curves, so many deviations apart."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm

from ser_tinyml.plots.style import EMOTION_COLOURS

SHOWN = (0.2, 0.8, 3.0)  # called small, called large, and far apart


def overlap(d: float) -> float:
    """The share of two normal curves of deviation 1 that lies under both, 0 to 1."""
    return float(2 * norm.cdf(-abs(d) / 2))


def effect_sizes(shown: Sequence[float] = SHOWN) -> Figure:
    """A panel for each Cohen's d: a measure of neutral clips, and of an emotion's.

    Parameters
    ----------
    shown
        Distances, in deviations.
    """
    figure, axes = plt.subplots(1, len(shown), figsize=(11, 2.9), sharey=True)
    place = np.linspace(-3.5, max(shown) + 3.5, 400)
    for axis, d in zip(axes, shown, strict=True):
        for name, centre, colour in (("neutral", 0, "neutral"), ("an emotion", d, "angry")):
            curve = norm.pdf(place, centre)
            axis.fill_between(place, curve, color=EMOTION_COLOURS[colour], alpha=0.45, label=name)
        axis.set_title(f"d = {d:g}: the curves share {100 * overlap(d):.0f} %")
        axis.set(xlabel="a measure, in deviations", yticks=[])
    axes[0].set_ylabel("clips of one speaker")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    return figure
