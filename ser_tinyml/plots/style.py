"""Colours, sizes, names beside points, and the saving of figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

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
POOL_COLOUR = "#34495e"


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


@dataclass(frozen=True)
class Point:
    """A point of a picture with the bar through it, in the units of the axes.

    Attributes
    ----------
    x, y
        Its place.
    low, high
        Ends of its bar; the place itself where it has none.
    name
        To be written beside it; empty: it has no name.
    colour
        Of the name.
    """

    x: float
    y: float
    low: float
    high: float
    name: str = ""
    colour: str = ".15"


_DOT = 7.0  # points from the middle of a point that are kept free of names
_BAR = 3.0  # the same of a bar
_FARTHER = (0.0, 12.0, 26.0, 42.0)  # points that a name moves away until it finds a free place


def name_points(axis: Axes, points: Sequence[Point], *, size: float = 9) -> list[Annotation]:
    """Write names beside their points, off all points, bars, texts and levels, inside the frame.

    Called last: the limits of the axes have to be what they will be.

    Parameters
    ----------
    points
        All that are drawn, those without a name too.
    size
        Of the letters, in points.
    """
    figure = axis.get_figure()
    figure.draw_without_rendering()  # from here on it is known where the axes lie
    pixels = figure.dpi / 72
    taken = []
    for one in points:
        x, y = axis.transData.transform((one.x, one.y))
        taken.append(Bbox.from_extents(x, y, x, y).padded(_DOT * pixels))
        bar = Bbox.from_extents(one.x, one.low, one.x, one.high)
        taken.append(bar.transformed(axis.transData).padded(_BAR * pixels))
    taken += [text.get_window_extent() for text in axis.texts]
    for line in axis.lines:
        if len(ends := line.get_ydata()) != 2 or ends[0] != ends[1]:
            continue  # a dot, or a cap of a bar
        y = axis.transData.transform((0, ends[0]))[1]
        taken.append(Bbox.from_extents(axis.bbox.x0, y, axis.bbox.x1, y).padded(2 * pixels))
    written = []
    for one in (point for point in points if point.name):
        text = axis.annotate(one.name, (one.x, one.y), size=size, color=one.colour)
        extent = text.get_window_extent()
        best = min(
            _places(axis, one, size=(extent.width, extent.height), pixels=pixels),
            key=lambda place: place.cost + _covered(place.box, taken, axis.bbox),
        )
        text.remove()
        taken.append(best.box)
        written.append(_write(axis, one, best, size=size, pixels=pixels))
    return written


@dataclass(frozen=True)
class _Place:
    """Where a name may stand: its box in pixels, and how much worse it is than right beside."""

    box: Bbox
    cost: float
    far: bool


def _places(axis: Axes, point: Point, *, size: tuple[float, float], pixels: float) -> list[_Place]:
    """Right, left, above, below and at the corners; then the same farther away."""
    (x, y), (width, height) = axis.transData.transform((point.x, point.y)), size
    low, high = (axis.transData.transform((point.x, end))[1] for end in (point.low, point.high))
    gap = (_DOT + 1) * pixels
    low, high = min(low, y - gap / 2), max(high, y + gap / 2)
    found = []
    for step, farther in enumerate(_FARTHER):
        aside, up = gap + farther * pixels, (gap / 2 + farther * pixels)
        right, left, middle = x + aside, x - aside - width, x - width / 2
        sides = [
            *((right, y - height / 2), (left, y - height / 2)),
            *((right, y + up), (left, y + up), (right, y - up - height), (left, y - up - height)),
            *((middle, high + up), (middle, low - up - height)),
            *((x - gap, high + up), (x + gap - width, high + up)),
            *((x - gap, low - up - height), (x + gap - width, low - up - height)),
        ]
        for rank, (x0, y0) in enumerate(sides):
            box = Bbox.from_extents(x0, y0, x0 + width, y0 + height)
            found.append(_Place(box, 0.01 * rank + 0.5 * step, far=step > 0))
    return found


def _covered(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> float:
    """Parts of a box that lie on others or outside the frame: 1 is a whole box."""
    area = box.width * box.height
    on = [Bbox.intersection(box, other) for other in taken]
    inside = Bbox.intersection(box, frame.padded(-2))
    out = area - (inside.width * inside.height if inside else 0)
    covered = sum(one.width * one.height for one in on if one) + 3 * out
    return 20 * covered / area + 2 * sum(1 for one in on if one)


def _write(axis: Axes, point: Point, place: _Place, *, size: float, pixels: float) -> Annotation:
    x, y = axis.transData.transform((point.x, point.y))
    line = {"arrowstyle": "-", "color": ".6", "linewidth": 0.7, "shrinkB": 5, "shrinkA": 1}
    text = axis.annotate(
        point.name,
        (point.x, point.y),
        xytext=((place.box.x0 - x) / pixels, (place.box.y0 - y) / pixels),
        textcoords="offset points",
        ha="left",
        va="bottom",
        size=size,
        color=point.colour,
        arrowprops=line if place.far else None,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )
    text.set_in_layout(False)
    return text


def save(figure: Figure, path: str | Path) -> Path:
    """Save a figure as PNG without the date and version that would change its bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return files.write_bytes(path, stream.getvalue())
