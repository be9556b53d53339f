"""Scores: of folds, of changes to the recipe, of fewer speakers, and of degraded sound."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ser_tinyml.data import corpora
from ser_tinyml.evaluation.trials import POOL
from ser_tinyml.plots.style import (
    MODEL_COLOURS,
    POOL_COLOUR,
    Point,
    colours_of,
    name_points,
)

_GROUP_COLOURS = (
    *("#34495e", "#3b6fa0", "#4d9a6a", "#e0a030", "#c9713d"),
    *("#a15b9e", "#7a4fa3", "#b8323c", "#2a9d9d", "#8c8c8c", "#5f8f3a", "#1f7fbf", "#b08968"),
)
_COSTS = (("bytes", "int8 file, kB", 1e3), ("macs_per_s", "million MAC a second of sound", 1e6))
_MARKERS = "os^Dv"  # for the kinds of noise
_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1)))
_CLEAN = {"linewidth": 0.9, "alpha": 0.6}  # the line of clean speech
_TITLES = ("Level", "Noise", "Band, room, microphone")


def part_colour(part: str) -> str:
    """Of a corpus, or of the pool of corpora: the same in every picture."""
    return POOL_COLOUR if part == POOL else corpora.colour(part)


def colours_of_lines(names: Iterable[str]) -> dict[str, str]:
    """A colour for each line of a picture: that of its corpus, or else one for each model."""
    names = list(names)
    parts = {POOL, *(one.name for one in corpora.all())}
    if parts.isdisjoint(names):
        return dict(zip(names, cycle(MODEL_COLOURS), strict=False))
    return {name: part_colour(name) for name in names}


def folds(scores: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """UAR and recalls of each part: the mean, and a dot for every fold and seed.

    Parameters
    ----------
    scores
        From `cross_validation.scores`.
    summary
        From `cross_validation.summary`.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(13, 4), width_ratios=(3, 4), sharey=True, layout="constrained"
    )
    _uar_of_parts(left, scores[scores["kind"] == "int8"], summary)
    _recalls(right, summary.filter(regex="^recall_"))
    for axis in (left, right):
        axis.set_xticks(range(len(summary)), list(summary.index))
        axis.grid(axis="x", visible=False)
    return figure


def _uar_of_parts(axis: Axes, scores: pd.DataFrame, summary: pd.DataFrame) -> None:
    for number, (part, line) in enumerate(summary.iterrows()):
        colour = part_colour(str(part))
        axis.bar(number, line["uar"], color=colour, alpha=0.45, width=0.7)
        own = scores.loc[scores["part"] == part, "uar"].to_numpy()
        axis.plot(number + np.linspace(-0.2, 0.2, len(own)), own, "o", color=colour, markersize=4)
        axis.hlines(line["majority_uar"], number - 0.35, number + 0.35, color="black", ls=":")
        axis.text(number, 0.02, f"{line['uar']:.3f}", ha="center", fontsize=10, weight="bold")
    axis.set(title="Speakers never heard, int8 on TFLite Micro", ylabel="UAR", ylim=(0, 1))
    handles = [
        Line2D([], [], color="0.4", marker="o", markersize=4, linestyle="none"),
        Line2D([], [], color="black", linestyle=":"),
    ]
    names = ["one fold and seed", "always one answer"]
    axis.legend(handles, names, loc="upper right", ncols=2, frameon=False)


def _recalls(axis: Axes, recalls: pd.DataFrame) -> None:
    """A bar for each class of each part; a cross where a part has no clips of a class."""
    width = 0.8 / max(recalls.shape[1], 1)
    colours = colours_of([name.removeprefix("recall_") for name in recalls.columns])
    for offset, (name, colour) in enumerate(zip(recalls, colours.values(), strict=True)):
        place = np.arange(len(recalls)) + (offset - (recalls.shape[1] - 1) / 2) * width
        axis.bar(place, recalls[name], width=width, color=colour)
        none = recalls[name].isna().to_numpy()
        axis.plot(place[none], np.full(none.sum(), 0.03), "x", color=colour, markersize=6)
    axis.set(title="Recall of each class", ylabel="recall")
    handles = [
        plt.Rectangle((0, 0), 1, 1, color=colour, label=name) for name, colour in colours.items()
    ]
    if recalls.isna().to_numpy().any():
        cross = {"color": "0.4", "marker": "x", "linestyle": "none"}
        handles.append(Line2D([], [], label="not in this corpus", **cross))
    axis.legend(handles=handles, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def ablations(table: pd.DataFrame, *, base: str) -> Figure:
    """How far each change moves the UAR, and UAR against size and work.

    A thin line goes from the worst to the best seed; the band behind is that of the default.

    Parameters
    ----------
    table
        From `ablations.run`.
    base
        Name of the line that the others are held against.
    """
    groups = list(dict.fromkeys(table["group"]))
    colours = {name: _GROUP_COLOURS[i % len(_GROUP_COLOURS)] for i, name in enumerate(groups)}
    figure = plt.figure(figsize=(13, 0.26 * len(table) + 1.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(3, 2))
    _changes(figure.add_subplot(grid[:, 0]), table, base=base, colours=colours)
    priced = []
    for row, cost in enumerate(_COSTS):
        axis = figure.add_subplot(grid[row, 1])
        priced.append((axis, _cost(axis, table, base=base, colours=colours, cost=cost)))
    figure.axes[1].set_title("What it costs; ringed: the default")
    names = [name for name in groups if name != base]
    handles = [plt.Rectangle((0, 0), 1, 1, color=colours[name]) for name in names]
    figure.legend(handles, names, frameon=False, loc="outside lower left", ncols=len(names))
    for axis, points in priced:
        name_points(axis, points)
    return figure


def _changes(axis: Axes, table: pd.DataFrame, *, base: str, colours: dict[str, str]) -> None:
    reference = table.loc[table["name"] == base, "uar"].iloc[0]
    shown = table[table["name"] != base].iloc[::-1].reset_index(drop=True)
    difference = 100 * (shown["uar"] - reference)
    axis.barh(shown.index, difference, color=[colours[name] for name in shown["group"]])
    low, high = (100 * (table[column] - reference) for column in ("uar_low", "uar_high"))
    is_base = table["name"] == base
    axis.axvspan(low[is_base].iloc[0], high[is_base].iloc[0], color="0.9", zorder=0)
    axis.hlines(shown.index, *(part[~is_base].iloc[::-1] for part in (low, high)), color="0.3")
    axis.set_yticks(shown.index, shown["name"])
    axis.axvline(0, color="black", linewidth=1)
    axis.set(
        xlabel=f"points of UAR from the default, {reference:.3f}",
        ylim=(-0.7, len(shown) - 0.3),
        title="Each line against the default",
    )


def _cost(
    axis: Axes,
    table: pd.DataFrame,
    *,
    base: str,
    colours: dict[str, str],
    cost: tuple[str, str, float],
) -> list[Point]:
    """UAR against a cost, of the default and of the changes that move the cost: to be named.

    Beside a change of another change ("long, taught, LSTM 256/128") that one is shown, too.
    """
    column, label, scale = cost
    at = table[table["name"] == base].iloc[0]
    by_name = table.set_index("name")
    points = []
    for line in table[table[column] != at[column]].to_dict("records"):
        place = (line[column] / scale, line["uar"])
        axis.plot(*place, "o", color=colours[line["group"]], alpha=0.8)
        points.append((place, _short(line["name"])))
        plainer = line["name"].rpartition(", ")[0]
        if plainer in by_name.index:  # what it differs from in one thing: not from the default
            other = by_name.loc[plainer]
            place = (other[column] / scale, other["uar"])
            axis.plot(*place, "o", color=colours[other["group"]], alpha=0.8)
            points.append((place, plainer))
    place = (at[column] / scale, at["uar"])
    axis.plot(*place, "o", ms=12, mfc="none", mec="black", mew=1.5)
    points.append((place, base))
    axis.margins(x=0.35, y=0.2)  # room for the names
    axis.set(xlabel=label, ylabel="UAR")
    return [Point(x, y, y, y, name) for (x, y), name in points]


def _short(name: str) -> str:
    """What a change has that those beside it have not: the last of what its name lists."""
    return name.rpartition(", ")[2]


def speakers(table: pd.DataFrame, *, base: str) -> Figure:
    """UAR against the share of the training speakers that trained, in all and by corpus.

    Parameters
    ----------
    table
        From `ablations.run`.
    base
        Name of the line with all speakers; those with fewer are the group "speakers".
    """
    chosen = table[(table["name"] == base) | (table["group"] == "speakers")]
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    _learning_curve(axis, chosen.assign(at=100 * chosen["speaker_share"]))
    axis.set(
        title="More speakers, as many steps of training",
        xlabel="% of the training speakers",
        ylabel="UAR, development speakers",
    )
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def copies(table: pd.DataFrame) -> Figure:
    """UAR of a taught net against the changed copies of a clip, and of a wider one beside it.

    Parameters
    ----------
    table
        From `ablations.run`, with the groups "copies" and "width".
    """
    curve, wide = (table[table["group"] == group] for group in ("copies", "width"))
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    _learning_curve(axis, curve.assign(at=curve["copies"]))
    for line in wide.to_dict("records"):
        place = (line["copies"], line["uar"])
        axis.plot(*place, "D", color=POOL_COLOUR, mfc="white", ms=9, label="twice as wide, pooled")
    axis.set(
        title="What limits a taught net: more to hear, or more room?",
        xlabel="changed copies of a clip",
        ylabel="UAR, development speakers",
    )
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _learning_curve(axis: Axes, table: pd.DataFrame) -> None:
    """UAR, pooled and by corpus, against the column "at", each step twice the one before."""
    table = table.sort_values("at")
    for corpus in (one.name for one in corpora.all() if f"uar_{one.name}" in table):
        colour = corpora.colour(corpus)
        axis.plot(table["at"], table[f"uar_{corpus}"], "o:", color=colour, label=corpus)
    axis.plot(table["at"], table["uar"], "o-", color=POOL_COLOUR, linewidth=2.5, label=POOL)
    axis.set_xscale("log", base=2)
    axis.set_xticks(table["at"], [f"{value:.0f}" for value in table["at"]])


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
            axis.axhline(clean["uar"].iloc[0], color=colour, zorder=1, **_CLEAN)
        if chance is not None:
            axis.axhline(chance, color="black", linestyle=":", linewidth=1)
    kinds = list(dict.fromkeys(scores.loc[scores["group"] == "noise", "kind"]))
    styles = {
        kind: {"marker": _MARKERS[i % len(_MARKERS)], "linestyle": _LINES[i % len(_LINES)]}
        for i, kind in enumerate(kinds)
    }
    for model, colour in colours.items():
        own = scores[scores["model"] == model]
        _condition_curve(axes[0], own[own["group"] == "gain"], color=colour, marker="o")
        for kind, style in styles.items():
            chosen = own[(own["group"] == "noise") & (own["kind"] == kind)]
            _condition_curve(axes[1], chosen, color=colour, **style)
    _other_conditions(axes[2], scores, colours)
    axes[0].set(xlabel="gain (dB); 16 bits, clipped at full scale", ylabel="UAR")
    axes[1].set(xlabel="speech over noise (dB)")
    axes[1].invert_xaxis()
    axes[0].set_ylim(0, 1)
    handles = _legend_of_conditions(colours, styles, chance=chance is not None)
    look = {"frameon": False, "ncols": len(handles), "handlelength": 3}
    figure.legend(handles=handles, loc="outside lower center", **look)
    return figure


def _legend_of_conditions(
    colours: dict[str, str], styles: dict[str, dict[str, object]], *, chance: bool
) -> list[Line2D]:
    """Models, clean speech, and the kinds of noise: grey where they are of several colours."""
    single = len(colours) == 1
    handles = [Line2D([], [], color=colour, label=model) for model, colour in colours.items()]
    for model, colour in colours.items():
        name = "clean" if single else f"{model}, clean"
        handles.append(Line2D([], [], color=colour, label=name, **_CLEAN))
    if chance:
        handles.append(Line2D([], [], color="black", linestyle=":", label="always one answer"))
    shared = next(iter(colours.values())) if single else "0.33"
    for kind, style in styles.items():
        handles.append(Line2D([], [], color=shared, label=f"{kind} noise", **style))
    return handles


def _condition_curve(axis: Axes, scores: pd.DataFrame, **style: object) -> None:
    scores = scores.sort_values("strength")
    axis.plot(scores["strength"], scores["uar"], markersize=5, linewidth=1.5, **style)
    axis.set_xticks(scores["strength"])


def _other_conditions(axis: Axes, scores: pd.DataFrame, colours: dict[str, str]) -> None:
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


def adapting(table: pd.DataFrame) -> Figure:
    """UAR of a person against the clips that the person gave, and what all others pay.

    Every line begins with the mean over speakers without any clip, and adds what the speakers gain:
    the clips that are tested are not the same for every number of clips given. The bands are the
    standard error over speakers.

    Parameters
    ----------
    table
        From `adapting.scores`, of all folds and seeds.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12, 4), width_ratios=(3, 2), layout="constrained"
    )
    counts = [0, *sorted(table["clips_a_class"].unique())]
    points = table.assign(gain=table["after"] - table["before"])
    keys = ["clips_a_class", "speaker"]
    for corpus in corpora.order(table["corpus"]):
        own = points[points["corpus"] == corpus]
        of_speaker = own.groupby(keys)[["gain", "before"]].mean()
        gain = of_speaker["gain"].groupby("clips_a_class")
        line = 100 * (of_speaker["before"].mean() + np.array([0, *gain.mean()]))
        error = 100 * np.array([0, *gain.sem().fillna(0)])
        colour = corpora.colour(corpus)
        people = own["speaker"].nunique()
        left.plot(range(len(counts)), line, "o-", color=colour, label=f"{corpus}, {people} people")
        left.fill_between(
            range(len(counts)), line - error, line + error, color=colour, alpha=0.15, linewidth=0
        )
    lost = 100 * points.groupby("clips_a_class")["others"].mean()
    right.bar(range(len(counts)), [0, *lost], color=POOL_COLOUR, alpha=0.6, width=0.6)
    left.set(title="The person who gave them", ylabel="UAR, %")
    right.set(title="Everybody else", ylabel="change of UAR, points")
    right.axhline(0, color="0.3", linewidth=1)
    for axis in (left, right):
        axis.set_xticks(range(len(counts)), [str(count) for count in counts])
        axis.set_xlabel("clips given, of each class")
        axis.grid(axis="x", visible=False)
    left.legend(frameon=False, loc="upper left")
    return figure


def enrolment(table: pd.DataFrame) -> Figure:
    """What the pitch of some ordinary sentences wins, by corpus, and however these were heard.

    Bars are means over folds, seeds and draws; a dot is the mean of a fold and seed.

    Parameters
    ----------
    table
        From `enrolling.scores`; its first condition is that of the bars on the left.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.5), layout="constrained", sharex=True)
    points = table.assign(gain=100 * (table["after"] - table["before"]))
    first = points["condition"].iloc[0]
    _gains(left, points[points["condition"] == first], of="part")
    _gains(right, points[points["part"] == points["part"].iloc[0]], of="condition")
    low, high = left.get_xlim()  # of both panels
    left.set_xlim(low, high + 0.25 * (high - low))  # for the column of numbers
    left.set_title("Who is enrolled")
    right.set_title(f"How the sentences were heard, {points['part'].iloc[0]}")
    return figure


def _gains(axis: Axes, points: pd.DataFrame, *, of: str) -> None:
    """A bar for each value of a column, and a dot for each fold and seed."""
    names = list(points[of].drop_duplicates())
    of_trial = points.groupby([of, "fold", "seed"])["gain"].mean()
    for place, name in enumerate(names):
        gains = of_trial[name]
        axis.barh(place, gains.mean(), color=POOL_COLOUR, alpha=0.6)
        axis.plot(gains, np.full(len(gains), place), "o", ms=4, color="0.2", alpha=0.7)
        axis.annotate(
            f"{gains.mean():+.1f}",
            (0.98, place),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="center",
        )
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.axvline(0, color="0.3", linewidth=1)
    axis.set_title("mean", loc="right", size="medium")
    axis.set_xlabel("points of UAR won")
