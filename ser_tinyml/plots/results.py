"""The picture of all runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

COLOURS = {"leaky_random": "#c9cdd3", "clip_random": "#e0a030", "speaker": "#b8323c"}
TITLES = {
    "leaky_random": "other versions of the\ntest sentences in training",
    "clip_random": "other sentences of the\ntest speakers in training",
    "speaker": "test speakers\nnever heard",
}


def accuracy_by_protocol(results: Sequence[dict[str, Any]], *, quoted: dict[str, Any]) -> Figure:
    """Accuracy and UAR of every result, leakiest protocol first: what a random split is worth.

    Parameters
    ----------
    results
        Lines of `results.collect`.
    quoted
        The published system.
    """
    results = sorted(results, key=lambda result: list(TITLES).index(result["protocol"]))
    bars = [
        (
            f"{', '.join(result['corpora'])}\n{TITLES[result['protocol']]}",
            result["accuracy"],
            result["int8_uar"],
            COLOURS[result["protocol"]],
        )
        for result in results
    ]
    figure, axis = plt.subplots(figsize=(9.5, 1.05 * len(bars) + 1.3))
    for place, (_, accuracy, uar, colour) in enumerate(bars):
        axis.barh(place - 0.19, accuracy, height=0.36, color=colour)
        axis.barh(place + 0.19, uar, height=0.36, color=colour, hatch="///", edgecolor="white")
        axis.text(accuracy + 0.008, place - 0.19, f"accuracy {accuracy:.3f}", va="center", size=9)
        axis.text(uar + 0.008, place + 0.19, f"UAR {uar:.3f}, int8", va="center", size=9)
    axis.plot([quoted["accuracy"]] * 2, [-0.5, 0.5], color="black", linestyle=":", linewidth=1.5)
    axis.text(quoted["accuracy"], -0.6, f"published: {quoted['accuracy']:.4f}", ha="center", size=9)
    axis.set_yticks(range(len(bars)), [name for name, *_ in bars])
    axis.set(xlim=(0, 1.12), ylim=(len(bars) - 0.5, -0.75), xlabel="share of the test rows")
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    axis.grid(axis="y", visible=False)
    return figure
