"""What of a released model goes into which generated file of the sketch."""

from __future__ import annotations

from matplotlib.figure import Figure

from ser_tinyml import features
from ser_tinyml.plots.diagrams.shapes import GATE, STATE, arrow, box, canvas
from ser_tinyml.tflite.release import DECISION, FEATURES, LABELS, MODEL, NORMALISATION, Release


def export(release: Release) -> Figure:
    """Files of the model on the left, generated C++ in the middle, the board's memory right.

    Parameters
    ----------
    release
        Its sizes are shown.
    """
    config, tables = release.config, features.tables(release.config)
    steps, inputs = config.feature_shape
    taps = sum(len(weights) for _, weights in tables.bands)
    rows = [
        (
            MODEL,
            f"{len(release.tflite):,} bytes",
            "model_data.cpp",
            "the net, as an array of bytes",
        ),
        (FEATURES, f"{steps} steps of {inputs}", "feature_settings.h", "lengths, bands, ranges"),
        ("", "", "feature_tables.cpp", f"window {tables.window.size}, bands {taps} weights"),
        (
            NORMALISATION,
            f"{inputs} means",
            "feature_tables.cpp",
            f"{inputs} means, deviations, 1 / deviations",
        ),
        (LABELS, ", ".join(release.labels), "labels.h", "names and colours"),
        (DECISION, f"threshold {release.threshold:.3f}", "labels.h", "when to say unsure"),
        ("listening.py", "gate and decision", "listening.h", "their numbers, in frames"),
    ]
    figure, axis = canvas(width=11, height=4.9)
    for title, x in (("files of the model", 1.75), ("generated C++", 5.55), ("the program", 9.6)):
        axis.text(x, 4.65, title, ha="center", va="center", weight="bold", size=12)
    for place, (name, about, made, holds) in enumerate(rows):
        y = 4.1 - 0.62 * place
        if name:
            box(axis, (1.75, y), f"{name}\n{about}", size=(3.2, 0.52))
            arrow(axis, (3.35, y), (3.9, y))
        else:
            arrow(axis, (3.6, y + 0.62), (3.6, y), (3.9, y))
        box(axis, (5.55, y), f"{made}\n{holds}", size=(3.3, 0.52), colour=GATE)
        arrow(axis, (7.2, y), (8.3, y))
    told = (
        f"flash\n\nconstants only\n\nevery file carries\nthe id of the model:\n{release.model_id}"
    )
    box(axis, (9.6, 2.24), told, size=(2.6, 4.24), colour=STATE)
    return figure
