"""Figures of stages 07 and 08: scores on speakers never heard, and what each choice is worth."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ser_tinyml.data import corpora
from ser_tinyml.evaluation.trials import POOL
from ser_tinyml.plots.style import colours_of

_POOL_COLOUR = "#34495e"
_GROUP_COLOURS = (
    *("#34495e", "#3b6fa0", "#4d9a6a", "#e0a030", "#c9713d"),
    *("#a15b9e", "#7a4fa3", "#b8323c", "#2a9d9d", "#8c8c8c", "#5f8f3a"),
)


def folds(scores: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """UAR and recalls of each part: the mean, and a dot for every fold and seed.

    Parameters
    ----------
    scores
        From `cross_validation.scores`.
    summary
        From `cross_validation.summary`.
    """
    scores = scores[scores["kind"] == "int8"]
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(13, 4), width_ratios=(3, 4), sharey=True, layout="constrained"
    )
    for number, (part, line) in enumerate(summary.iterrows()):
        colour = _POOL_COLOUR if part == POOL else corpora.colour(str(part))
        left.bar(number, line["uar"], color=colour, alpha=0.45, width=0.7)
        own = scores.loc[scores["part"] == part, "uar"].to_numpy()
        left.plot(number + np.linspace(-0.2, 0.2, len(own)), own, "o", color=colour, markersize=4)
        left.hlines(line["majority_uar"], number - 0.35, number + 0.35, color="black", ls=":")
        left.text(number, 0.02, f"{line['uar']:.3f}", ha="center", fontsize=10, weight="bold")
    left.set_xticks(range(len(summary)), list(summary.index))
    left.set(title="Speakers never heard, int8 on TFLite Micro", ylabel="UAR", ylim=(0, 1))
    recalls = summary.filter(regex="^recall_")
    width = 0.8 / max(recalls.shape[1], 1)
    colours = colours_of([name.removeprefix("recall_") for name in recalls.columns])
    for offset, (name, (label, colour)) in enumerate(zip(recalls, colours.items(), strict=True)):
        place = np.arange(len(recalls)) + (offset - (recalls.shape[1] - 1) / 2) * width
        right.bar(place, recalls[name], width=width, color=colour, label=label)
    right.set_xticks(range(len(summary)), list(summary.index))
    right.set(title="Recall of each class", ylabel="recall")
    right.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


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
    reference = table.loc[table["name"] == base, "uar"].iloc[0]
    groups = list(dict.fromkeys(table["group"]))
    colours = {name: _GROUP_COLOURS[i % len(_GROUP_COLOURS)] for i, name in enumerate(groups)}
    figure = plt.figure(figsize=(13, 0.26 * len(table) + 1.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(3, 2))
    bars = figure.add_subplot(grid[:, 0])
    shown = table[table["name"] != base].iloc[::-1].reset_index(drop=True)
    difference = 100 * (shown["uar"] - reference)
    bars.barh(shown.index, difference, color=[colours[name] for name in shown["group"]])
    low, high = (100 * (table[column] - reference) for column in ("uar_low", "uar_high"))
    is_base = table["name"] == base
    bars.axvspan(low[is_base].iloc[0], high[is_base].iloc[0], color="0.9", zorder=0)
    bars.hlines(shown.index, *(part[~is_base].iloc[::-1] for part in (low, high)), color="0.3")
    bars.set_yticks(shown.index, shown["name"])
    bars.axvline(0, color="black", linewidth=1)
    bars.set(
        xlabel=f"points of UAR from the default, {reference:.3f}", title="One change at a time"
    )
    handles = [plt.Rectangle((0, 0), 1, 1, color=colours[name]) for name in groups if name != base]
    names = [name for name in groups if name != base]
    figure.legend(handles, names, frameon=False, loc="outside lower left", ncols=len(names))
    first = None
    for row, (column, label, scale) in enumerate(
        (("bytes", "int8 file, KB", 1e3), ("macs_per_s", "million MAC a second of sound", 1e6))
    ):
        axis = figure.add_subplot(grid[row, 1], sharey=first)
        first = first or axis
        for name, part in table.groupby("group"):
            axis.plot(part[column] / scale, part["uar"], "o", color=colours[name], alpha=0.8)
        at = table[table["name"] == base].iloc[0]
        axis.plot(at[column] / scale, at["uar"], "o", ms=12, mfc="none", mec="black", mew=1.5)
        axis.set(xlabel=label, ylabel="UAR")
    first.set_title("What it costs; ringed: the default")
    return figure


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
    chosen = chosen.sort_values("speaker_share")
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    scored = [corpus.name for corpus in corpora.all() if f"uar_{corpus.name}" in chosen]
    for corpus in scored:
        score, colour = chosen[f"uar_{corpus}"], corpora.colour(corpus)
        axis.plot(100 * chosen["speaker_share"], score, "o:", color=colour, label=corpus)
    pool, share = chosen["uar"], 100 * chosen["speaker_share"]
    axis.plot(share, pool, "o-", color=_POOL_COLOUR, linewidth=2.5, label=POOL)
    axis.set_xscale("log", base=2)
    axis.set_xticks(share, [f"{value:.0f}" for value in share])
    axis.set(
        title="More speakers, as many steps of training",
        xlabel="% of the training speakers",
        ylabel="UAR, development speakers",
    )
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
