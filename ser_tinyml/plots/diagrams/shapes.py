"""Boxes and arrows, in the colours that all diagrams share."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

VALUE, GATE, STATE, RESULT = "#dce6f0", "#fbe6c8", "#d8ecdd", "#f2d9dc"
INK = "#34495e"


def blank(axis: Axes, *, width: float, height: float) -> Axes:
    """An axis without ticks and frame, from (0, 0) to (width, height)."""
    axis.set(xlim=(0, width), ylim=(0, height))
    axis.axis("off")
    return axis


def canvas(*, width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one blank axis whose units are inches."""
    figure, axis = plt.subplots(figsize=(width, height))
    return figure, blank(axis, width=width, height=height)


def box(
    axis: Axes,
    centre: tuple[float, float],
    text: str,
    *,
    size: tuple[float, float],
    colour: str = VALUE,
    bold: bool = False,
) -> None:
    """A rounded box with a text in its middle."""
    (x, y), (width, height) = centre, size
    axis.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=colour,
            edgecolor=INK,
            linewidth=1,
        )
    )
    weight = "bold" if bold else "normal"
    axis.text(x, y, text, ha="center", va="center", size=10, weight=weight)


def arrow(axis: Axes, *points: tuple[float, float]) -> None:
    """A line through points, with a head at the last."""
    xs, ys = zip(*points, strict=True)
    axis.plot(xs[:-1], ys[:-1], color=INK, linewidth=1.2, solid_capstyle="butt")
    axis.annotate(
        "",
        xy=points[-1],
        xytext=points[-2],
        arrowprops={
            "arrowstyle": "-|>",
            "color": INK,
            "linewidth": 1.2,
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )
