"""What conversion costs, how far the runtimes agree, and how fast they are."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_COLOURS = {"float32": "#8c8c8c", "dynamic_range": "#e0a030", "int8": "#3b6fa0"}


def conversion(
    *,
    sizes: Mapping[str, int],
    published_sizes: Mapping[str, int],
    notes: Mapping[str, str],
    float_probabilities: np.ndarray,
    int8_probabilities: np.ndarray,
    litert: np.ndarray,
    tflm: np.ndarray,
) -> Figure:
    """File sizes; float against int8 probabilities; LiteRT against TFLite Micro.

    Parameters
    ----------
    sizes
        Variant -> bytes.
    published_sizes
        Variant -> bytes of the published system's file, where there is one.
    notes
        Variant -> what is written into its bar.
    float_probabilities, int8_probabilities : array of float [shape=(n, n_classes)]
        Keras's, and TFLite Micro's for the int8 model.
    litert, tflm : array of int8 [shape=(n, n_classes)]
        Answers of the int8 model.
    """
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(13, 4), width_ratios=(1.5, 1.05, 1.15)
    )
    _sizes(left, sizes, published_sizes, notes)
    _scatter(middle, float_probabilities, int8_probabilities)
    _differences(right, litert, tflm)
    return figure


def race(table: pd.DataFrame) -> Figure:
    """Milliseconds an answer of nets that ran side by side, and how far each goes.

    Parameters
    ----------
    table
        name, milliseconds, fastest, slowest, times, arithmetic; the first is the reference.
    """
    figure, axis = plt.subplots(figsize=(9, 0.5 * len(table) + 1))
    for place, line in enumerate(table.to_dict("records")):
        colour = _COLOURS["int8" if "int8" in line["arithmetic"] else "float32"]
        axis.barh(place, line["milliseconds"], height=0.6, color=colour)
        axis.plot([line["fastest"], line["slowest"]], [place, place], color="black", linewidth=1)
        axis.text(line["slowest"], place, f"  {line['times']:.1f} times", va="center", fontsize=9)
    names = [
        f"{name} ({how})" for name, how in zip(table["name"], table["arithmetic"], strict=True)
    ]
    axis.set_yticks(range(len(table)), names)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.set_xlabel("milliseconds an answer, one core: median, fastest to slowest")
    return figure


def _sizes(
    axis: Axes, sizes: Mapping[str, int], published: Mapping[str, int], notes: Mapping[str, str]
) -> None:
    """Bars, a line where the published file ends, and the note above each bar."""
    for place, (variant, size) in enumerate(sizes.items()):
        axis.barh(place, size / 1000, height=0.42, color=_COLOURS[variant])
        axis.text(2, place - 0.27, f"{size / 1000:.0f} kB, {notes[variant]}", fontsize=9)
        if variant in published:
            marked = published[variant] / 1000
            axis.plot(
                [marked, marked],
                [place - 0.21, place + 0.21],
                color="#b8323c",
                linewidth=2,
                label="published file" if place == 0 else None,
            )
    axis.set_yticks(range(len(sizes)), [name.replace("_", "\n") for name in sizes])
    axis.invert_yaxis()
    axis.set(title="Size of the file", xlabel="kB", ylim=(len(sizes) - 0.45, -0.55))
    axis.grid(axis="y", visible=False)
    if published:
        axis.legend(loc="lower right", frameon=False)


def _scatter(axis: Axes, floats: np.ndarray, int8: np.ndarray) -> None:
    """One dot a clip and class; on the diagonal, nothing was lost."""
    axis.plot([0, 1], [0, 1], color="black", linewidth=0.8, zorder=1)
    axis.scatter(
        floats.ravel(), int8.ravel(), s=5, alpha=0.25, color=_COLOURS["int8"], linewidths=0
    )
    axis.set(
        title="Probabilities",
        xlabel="float, Keras",
        ylabel="int8, TFLite Micro",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        aspect="equal",
    )


def _differences(axis: Axes, litert: np.ndarray, tflm: np.ndarray) -> None:
    """Share of clips by their largest difference."""
    units = np.abs(litert.astype(int) - tflm.astype(int)).max(axis=1)
    share = np.bincount(units) / len(units)
    axis.bar(np.arange(len(share)), 100 * share, width=0.7, color=_COLOURS["int8"])
    for unit, value in enumerate(share):
        if value:
            text = f"{100 * value:.1f}"
            axis.text(unit, 100 * value, text, ha="center", va="bottom", fontsize=9)
    axis.set(
        title="int8: LiteRT and TFLite Micro",
        xlabel="largest difference of a clip (1 unit = 1/256)",
        ylabel="clips (%)",
        xticks=np.arange(len(share)),
        ylim=(0, 112 * share.max()),
    )
    axis.grid(axis="x", visible=False)
