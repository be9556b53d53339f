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
    sources = [  # file, what is in it, the first and the last row of what is made of it
        (MODEL, f"{len(release.tflite):,} bytes", 0, 0),
        (FEATURES, f"{steps} steps of {inputs}", 1, 2),
        (NORMALISATION, f"{inputs} means and deviations", 3, 3),
        (LABELS, ", ".join(release.labels), 4, 4),
        (DECISION, f"threshold {release.threshold:.3f}", 5, 5),
        ("listening.py", "gate and decision", 6, 6),
    ]
    generated = [  # file, what is in it, its first and its last row
        ("model_data.cpp", "the net, as an array of bytes", 0, 0),
        ("feature_settings.h", "lengths, bands, ranges", 1, 1),
        (
            "feature_tables.cpp",
            f"window {tables.window.size}, bands {taps} weights\n\n"
            f"{inputs} means, deviations, 1 / deviations",
            *(2, 3),
        ),
        ("labels.h", "names and colours\n\nwhen to say unsure", 4, 5),
        ("listening.h", "their numbers, in frames", 6, 6),
    ]
    figure, axis = canvas(width=11, height=4.9)
    for title, x in (("files of the model", 1.75), ("generated C++", 5.55), ("the program", 9.6)):
        axis.text(x, 4.65, title, ha="center", va="center", weight="bold", size=12)
    for name, about, first, last in sources:
        y = _height(first)
        box(axis, (1.75, y), f"{name}\n{about}", size=(3.2, 0.52))
        arrow(axis, (3.35, y), (3.9, y))
        for row in range(first + 1, last + 1):
            arrow(axis, (3.6, y), (3.6, _height(row)), (3.9, _height(row)))
    for name, about, first, last in generated:
        y = (_height(first) + _height(last)) / 2
        tall = 0.52 + _height(first) - _height(last)
        box(axis, (5.55, y), f"{name}\n{about}", size=(3.3, tall), colour=GATE)
        arrow(axis, (7.2, y), (8.3, y))
    told = (
        "what is added to it:\nconstants, in flash\n\n"
        f"every file carries\nthe id of the model:\n{release.model_id}"
    )
    box(axis, (9.6, 2.24), told, size=(2.6, 4.24), colour=STATE)
    return figure


def _height(row: int) -> float:
    """Where the middle of a row lies."""
    return 4.1 - 0.62 * row
