"""Pictures of several runs side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ser_tinyml.plots.style import MODEL_COLOURS, Point, name_points

# Protocols in the order of the picture: what a test row has in common with training.
TESTS = {
    "leaky_random": "Random rows: other versions of the test recordings are in training",
    "clip_random": "Random clips: other clips of the test speakers are in training",
    "speaker": "Speakers never heard",
}
# Of a line, the two bars: score -> where it lies beside the line's place, and its hatch.
_BARS = {"uar": (-0.19, None), "accuracy": (0.19, "///")}
_MAJORITY = {"color": "black", "linestyle": ":", "linewidth": 2.5}
COLOURS = {"leaky_random": "#c9cdd3", "clip_random": "#e0a030", "speaker": "#b8323c"}


def by_test(results: Sequence[dict[str, Any]]) -> Figure:
    """UAR and accuracy of int8 on TFLite Micro, a panel a kind of test.

    The kinds differ in recipe, inputs and corpora too, so each bar names its own, and no bar of one
    panel is held against one of another.

    Parameters
    ----------
    results
        Measured lines of `workflow.results.collect`, of four classes.
    """
    lines = [{**line, "title": label(line)} for line in results]
    marks = {"accuracy of the most frequent answer": plt.Line2D([], [], **_MAJORITY)}
    figure = _panels(lines, _numbers, inches=0.8, marks=marks)
    figure.axes[-1].set_xlabel("share of the test rows (accuracy), mean of the recalls (UAR)")
    figure.axes[-1].set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    figure.suptitle("Four classes, int8 on TFLite Micro", x=0.01, ha="left", weight="bold")
    return figure


def _numbers(axis: Axes, line: dict[str, Any], place: int) -> None:
    """Write both scores of a run, and mark the baseline of its accuracy."""
    for score, name in (("uar", "UAR"), ("accuracy", "accuracy")):
        text = f"{name} {line[score]:.3f}"
        axis.text(line[score] + 0.008, place + _BARS[score][0], text, va="center", size=9)
    axis.vlines(line["majority_accuracy"], place + 0.01, place + 0.37, **_MAJORITY)


def _panels(
    lines: Sequence[dict[str, Any]],
    mark: Callable[[Axes, dict[str, Any], int], None],
    *,
    inches: float,
    marks: Mapping[str, Artist],
) -> Figure:
    """A panel a kind of test; each line has a title, a bar of UAR and one of accuracy.

    What else is known of a line, `mark` draws at its place; the legend explains it by `marks`. A
    line is so many inches high.
    """
    panels = {name: [line for line in lines if line["protocol"] == name] for name in TESTS}
    panels = {name: own for name, own in panels.items() if own}
    sizes = [len(own) for own in panels.values()]
    height = inches * sum(sizes) + 0.7 * len(panels) + 0.8
    shape = {"figsize": (9.5, height), "height_ratios": [n + 0.4 for n in sizes]}
    figure, axes = plt.subplots(len(panels), 1, sharex=True, squeeze=False, **shape)
    for axis, (name, own) in zip(axes[:, 0], panels.items(), strict=True):
        for place, line in enumerate(own):
            for score, (aside, hatch) in _BARS.items():
                look = {"color": COLOURS[name], "hatch": hatch, "edgecolor": "white"}
                axis.barh(place + aside, line[score], height=0.36, **look)
            mark(axis, line, place)
        axis.set_yticks(range(len(own)), [line["title"] for line in own])
        axis.set(xlim=(0, 1.12), ylim=(len(own) - 0.5, -0.5))
        axis.set_title(TESTS[name], loc="left")
        axis.grid(axis="y", visible=False)
    uar = plt.Rectangle((0, 0), 1, 1, color="0.5")
    accuracy = plt.Rectangle((0, 0), 1, 1, facecolor="0.5", hatch="///", edgecolor="white")
    names = ["UAR", "accuracy", *marks]
    where = {"loc": "outside upper right", "ncols": len(names)}
    figure.legend([uar, accuracy, *marks.values()], names, frameon=False, **where)
    return figure


def label(line: dict[str, Any]) -> str:
    """What was tested on what: the run, its inputs where they are known, and the corpora.

    Nets that were trained anew for each fold are none of the run's models, and not called so.
    """
    about = ["five folds" if "folds" in line else line["name"]]
    if "feature_shape" in line:
        about.append("{} x {} inputs".format(*line["feature_shape"]))
    return f"{', '.join(about)}\n{', '.join(line['corpora'])}"


def compared(scores: pd.DataFrame, differences: pd.DataFrame) -> Figure:
    """UAR of every run and part, and how far runs on the same clips are apart.

    Parameters
    ----------
    scores
        From `compare.scores`; a line goes one standard error over speakers either way.
    differences
        From `compare.differences`; a line is the 95 % interval over speakers.
    """
    runs, parts = (list(dict.fromkeys(scores[name])) for name in ("run", "part"))
    paired = differences[differences["points"].notna()]
    width = 0.8 / len(runs)
    height = max(3.2, 1.2 + 0.5 * len(differences))
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, height), width_ratios=(3, 2))
    for number, run in enumerate(runs):
        own = scores[scores["run"] == run].set_index("part")
        place = [parts.index(part) + (number - (len(runs) - 1) / 2) * width for part in own.index]
        colour = MODEL_COLOURS[number % len(MODEL_COLOURS)]
        left.bar(place, own["uar"], width=width, color=colour, alpha=0.7, label=run)
        left.errorbar(place, own["uar"], own["uar_error"], fmt="none", ecolor="black", capsize=3)
    left.set_xticks(range(len(parts)), parts)
    left.set(title="int8 on TFLite Micro", ylabel="UAR, ± standard error over speakers")
    left.set_ylim(0, 1)
    left.legend(frameon=False, loc="upper right")
    for place, line in enumerate(paired.to_dict("records")):
        right.hlines(place, line["low"], line["high"], color="0.3", linewidth=2)
        right.plot(line["points"], place, "o", color="black")
    names = [f"{line['second']}\nabove {line['first']}" for line in paired.to_dict("records")]
    right.set_yticks(range(len(paired)), names)
    right.set_ylim(max(len(paired), 1) - 0.5, -0.5)
    right.axvline(0, color="black", linestyle=":")
    title = (
        "The same clips: difference, 95 % over speakers" if len(paired) else "Not the same clips"
    )
    right.set(title=title, xlabel="points of UAR")
    return figure


def systems(table: pd.DataFrame) -> Figure:
    """UAR and accuracy of systems, a panel a kind of test, beside what is quoted of them.

    Parameters
    ----------
    table
        From `systems.scores.summary`: one kind of answers a system, one part a test.
    """
    marks = {
        "quoted": plt.Line2D([], [], color="black", marker="D", linestyle=""),
        "always the most frequent answer": plt.Line2D([], [], color="black", linestyle=":"),
    }
    figure = _panels(table.to_dict("records"), _beside, inches=0.7, marks=marks)
    figure.axes[-1].set_xlabel("mean of the recalls (UAR), share of the test clips (accuracy)")
    return figure


def _beside(axis: Axes, line: dict[str, Any], place: int) -> None:
    """Mark at both bars of a system its deviation, what is quoted of it, and the baseline."""
    for score, (aside, _) in _BARS.items():
        at, spread, quoted = place + aside, line[f"{score}_sd"], line[f"quoted_{score}"]
        if not pd.isna(spread):
            axis.errorbar(line[score], at, xerr=spread, ecolor="black", capsize=3)
        if not pd.isna(quoted):
            axis.plot(quoted, at, "D", color="black")
        axis.vlines(line[f"majority_{score}"], at - 0.19, at + 0.19, color="black", linestyle=":")


COST_AXES = {  # column of the table: name of the axis, and by how much it is divided
    "flash_bytes": ("flash, kB", 1e3),
    "milliseconds": ("ms from the last sample to the answer", 1.0),
    "millijoules": ("mJ of the processor, for a clip of 2 s", 1.0),
}
NOT_ON_BOARD = "not on the board with its features"  # one place beside the next
OVER = re.compile(r" over [^(]*(?= \()| over [^(]*$")  # what a system looks at
NUMBERS = re.compile(r" over (\d+) [^(]*$")  # how many numbers it looks at, where that is its name
FAMILIES = {  # beginning of a system's name: colour
    "lstm": "#b8323c",
    "light_published": "#8c8c8c",
    "light": "#3b6fa0",
    "mixtures": "#4d9a6a",
    "conv162": "#e0a030",
    "spectrogram": "#7a4fa3",
}


def costs(
    table: pd.DataFrame,
    *,
    part: str,
    named: Sequence[str],
    n_classes: int = 4,
    people: float | None = None,
) -> Figure:
    """How often systems are right about a stranger, against what an answer costs on the board.

    What was counted on the emulated board with its features is filled. What does not run there
    stands hollow in the last panel, for it has no cost.

    Parameters
    ----------
    table
        From `systems.common.table`.
    part
        Whose UAR is shown: the pool, or a corpus.
    named
        Systems that are named beside their points.
    n_classes
        That the clips of this part have: guessing is right about one in so many.
    people
        UAR of a single listener on the same clips, where it is known.
    """
    table = table[table[part].notna()]
    on_board, others = table[table["emulated"]], table[~table["emulated"]].sort_values(part)
    figure, grid = plt.subplots(2, 2, figsize=(10.5, 8), sharey=True)
    axes = list(grid.flat)
    points: list[list[Point]] = [[] for _ in axes]
    about = {"part": part, "named": named}
    for panel, (column, (label_, scale)) in enumerate(COST_AXES.items()):
        most = (on_board[column] / scale).max()
        axes[panel].set(xlabel=label_, xlim=(0, 1.15 * most if most > 0 else 1))
        for _, line in on_board.iterrows():
            place = line[column] / scale
            points[panel].append(_costing(axes[panel], place, line, filled=True, **about))
    for place, (_, line) in enumerate(others.iterrows()):
        points[-1].append(_costing(axes[3], place, line, filled=False, **about))
    axes[3].set(xticks=[], xlim=(-1, max(len(others), 1)), xlabel=NOT_ON_BOARD)
    _levels(axes, {"guessing": (1 / n_classes, ":"), "a single listener": (people, "--")})
    figure.supylabel(f"UAR on speakers never heard, {n_classes} classes (%)", size="medium")
    axes[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))
    for axis, drawn in zip(axes, points, strict=True):
        name_points(axis, drawn)
    return figure


def _levels(axes: Sequence[Axes], levels: Mapping[str, tuple[float | None, str]]) -> None:
    """Lines through all panels, named in the first: what is no system has no cost."""
    for name, (level, style) in levels.items():
        if level is None:
            continue
        for axis in axes:
            axis.axhline(level, color="black", linestyle=style, linewidth=1, zorder=1)
        axes[0].annotate(
            name, (0.98, level), xycoords=("axes fraction", "data"), ha="right",
            xytext=(0, 4), textcoords="offset points", size=9,
        )  # fmt: skip


def _costing(
    axis: Axes, place: float, line: pd.Series, *, part: str, named: Sequence[str], filled: bool
) -> Point:
    """Draw a system's point and its deviation; what comes back is to be named."""
    system = str(line.name)
    colour = next(
        (colour for family, colour in FAMILIES.items() if system.startswith(family)), "#34495e"
    )
    axis.errorbar(
        place, line[part], yerr=line[f"{part}_sd"], fmt="o", color=colour, markersize=8,
        markerfacecolor=colour if filled else "white", elinewidth=1, capsize=3, alpha=0.9,
    )  # fmt: skip
    spread = line[f"{part}_sd"] if line[f"{part}_sd"] > 0 else 0.0
    title = OVER.sub("", NUMBERS.sub(r", \1 features", line["title"])) if system in named else ""
    return Point(place, line[part], line[part] - spread, line[part] + spread, title, colour)
