"""Pictures of the corpora: what is in them, how emotions sound, and what tells corpora apart."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ser_tinyml.apps.tables.effects import MEASURES, SHARES
from ser_tinyml.data import corpora
from ser_tinyml.plots.style import colours_of

VOICE = {
    "f0_median_hz": "F0, median (Hz)",
    "jitter_percent": "jitter (%)",
    "shimmer_percent": "shimmer (%)",
}
LEVELS = {"peak_db": "peak (dB of full scale)", "intensity_db": "intensity of the speech (dB)"}
_SHARE_COLOURS = ("#b8323c", "#3b6fa0", "#7a4fa3", "#e0a030", "#d9d9d9")
_QUARTILES = [0.25, 0.5, 0.75]
_MARKERS = {"female": "o", "male": "^"}
_NOT_KNOWN = "not known"
_NARROWEST = 0.02  # share of a bar that a number fits into
_COLUMNS = 4  # panels side by side


def distribution(clips: pd.DataFrame) -> Figure:
    """How the clips of each corpus are dealt to emotions; in the bars the number of clips."""
    names = corpora.order(clips["corpus"])[::-1]
    emotions = corpora.order_emotions(clips["emotion"])
    counts = pd.crosstab(clips["corpus"], clips["emotion"]).reindex(names)[emotions]
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.5 * len(names)))
    left = np.zeros(len(names))
    for emotion, colour in colours_of(emotions).items():
        share = 100 * counts[emotion] / counts.sum(axis=1)
        bars = axes.barh(names, share, 0.75, left=left, color=colour, label=emotion)
        wide = share > 100 * _NARROWEST
        texts = [str(n) if fits else "" for n, fits in zip(counts[emotion], wide, strict=True)]
        axes.bar_label(bars, texts, label_type="center", color="white", fontsize=9)
        left += share.to_numpy()
    axes.set(title="Which emotions are in a corpus", xlabel="% of its clips", xlim=(0, 100))
    axes.grid(visible=False)
    figure.legend(loc="outside lower center", ncols=8, frameon=False)
    return figure


def levels(clips: pd.DataFrame) -> Figure:
    """Amplitude and intensity by emotion: of each corpus the median, and half of all clips.

    Parameters
    ----------
    clips
        From `effects.as_heard`.
    """
    emotions, names = corpora.order_emotions(clips["emotion"]), corpora.order(clips["corpus"])
    figure, panels = plt.subplots(1, len(LEVELS), figsize=(12, 4.2))
    for axes, (measure, title) in zip(panels, LEVELS.items(), strict=True):
        for number, name in enumerate(names):
            own = clips[clips["corpus"] == name].groupby("emotion")[measure]
            found = own.quantile(_QUARTILES).unstack().reindex(emotions)
            there = found[0.5].notna().to_numpy()
            low, middle, high = found[there].to_numpy().T
            place = np.flatnonzero(there) + 0.12 * (number - (len(names) - 1) / 2)
            colour = corpora.colour(name)
            axes.vlines(place, low, high, color=colour, alpha=0.45, linewidth=5)
            axes.plot(place, middle, "o-", color=colour, linewidth=1, markersize=6, label=name)
        axes.set(title=title[0].upper() + title[1:])
        axes.set_xticks(range(len(emotions)), emotions)
        axes.grid(visible=False, axis="x")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=8, frameon=False)
    return figure


def voice(clips: pd.DataFrame) -> Figure:
    """F0, jitter and shimmer by emotion, women and men apart: medians, halves and nine tenths."""
    emotions = corpora.order_emotions(clips["emotion"])
    colours = colours_of(emotions)
    sexes = _sexes(clips)
    figure, grid = plt.subplots(
        len(sexes),
        len(VOICE),
        figsize=(13, 0.7 + 2.6 * len(sexes)),
        sharex=True,
        sharey="col",
        squeeze=False,
    )
    for row, (sex, own) in zip(grid, sexes.items(), strict=True):
        for axes, measure in zip(row, VOICE, strict=True):
            values = [own.loc[own["emotion"] == e, measure].dropna() for e in emotions]
            boxes = axes.boxplot(
                values,
                whis=(5, 95),
                showfliers=False,
                patch_artist=True,
                widths=0.65,
                medianprops={"color": "black", "linewidth": 1.5},
            )
            for box, colour in zip(boxes["boxes"], colours.values(), strict=True):
                box.set(facecolor=colour, edgecolor=colour)
            axes.set_xticks(range(1, len(emotions) + 1), emotions, rotation=40, ha="right")
            axes.grid(visible=False, axis="x")
        row[0].set_ylabel(f"{sex}, {own['speaker'].nunique()} speakers", weight="bold")
    for axes, title in zip(grid[0], VOICE.values(), strict=True):
        axes.set_title(title[0].upper() + title[1:])
    return figure


def speakers(clips: pd.DataFrame) -> Figure:
    """F0, jitter and shimmer of every speaker, from the lowest voice of a corpus to the highest."""
    order = clips.groupby(["corpus", "speaker"])["f0_median_hz"].median().dropna()
    names = corpora.order(order.index.get_level_values("corpus"))
    places, gap = {}, 0
    for name in names:
        for speaker in order[name].sort_values().index:
            places[speaker] = len(places) + gap
        gap += 2
    of_speaker = clips[clips["speaker"].isin(places)].groupby("speaker")
    about = of_speaker[["corpus", "sex"]].first()
    figure, rows = plt.subplots(len(VOICE), 1, figsize=(13, 7), sharex=True)
    for axes, (measure, title) in zip(rows, VOICE.items(), strict=True):
        found = of_speaker[measure].quantile(_QUARTILES).unstack()
        for (corpus, sex), own in about.groupby(["corpus", "sex"]):
            at, colour = [places[speaker] for speaker in own.index], corpora.colour(str(corpus))
            low, middle, high = found.loc[own.index].to_numpy().T
            axes.vlines(at, low, high, color=colour, alpha=0.4, linewidth=4)
            axes.plot(at, middle, _MARKERS.get(str(sex), "s"), color=colour, markersize=5)
        axes.set_ylabel(title)
        axes.grid(visible=False, axis="x")
    rows[0].set_title("Every speaker: median and half of all clips, by F0")
    rows[-1].set_xticks([])
    rows[-1].set_xlabel("speakers")
    handles = [Line2D([], [], color=corpora.colour(n), linewidth=4, label=n) for n in names]
    shown = {sex: _MARKERS.get(sex, "s") for sex in about["sex"].unique()}
    handles += [
        Line2D([], [], color="0.4", marker=marker, linestyle="none", label=sex or _NOT_KNOWN)
        for sex, marker in shown.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=8, frameon=False)
    return figure


def effects(table: pd.DataFrame) -> Figure:
    """Cohen's d with its interval; the small dots are the corpora's own.

    Parameters
    ----------
    table
        From `effects.effects`.
    """
    measures = [name for name in MEASURES if name in set(table["measure"])]
    rows = -(-len(measures) // _COLUMNS)
    figure, grid = plt.subplots(
        rows, _COLUMNS, figsize=(13, 0.8 + 2.4 * rows), sharex=True, sharey=True, squeeze=False
    )
    emotions = list(dict.fromkeys(table["emotion"]))
    names = [name.removeprefix("d ") for name in table.columns if name.startswith("d ")]
    for axes, measure in zip(grid.flat, measures, strict=False):
        own = table[table["measure"] == measure].set_index("emotion").loc[emotions]
        _effects_of(axes, own, names)
        axes.set_title(MEASURES[measure].rpartition(" (")[0], fontsize=11)
    for axes in grid.flat[len(measures) :]:
        axes.set_axis_off()
    grid[0, 0].set_yticks(range(len(emotions)), emotions)
    grid[0, 0].invert_yaxis()
    against = table["against"].iloc[0] if len(table) else ""
    figure.supxlabel(
        f"Cohen's d against {against}, within speakers; interval of 95 % over speakers",
        fontsize=10,
    )
    handles = [
        Line2D([], [], color=corpora.colour(n), marker="o", ls="none", label=n) for n in names
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=8, frameon=False)
    return figure


def _effects_of(axes: Axes, own: pd.DataFrame, names: Sequence[str]) -> None:
    """One measure: a line an emotion."""
    axes.axvline(0, color="0.3", linewidth=1)
    for place, (_, line) in enumerate(own.iterrows()):  # the colours are those of the corpora
        axes.hlines(place, line["low"], line["high"], color="0.4", linewidth=6, alpha=0.4)
        axes.plot(line["d"], place, "o", color="0.2", markersize=7)
        for name in names:
            axes.plot(line[f"d {name}"], place + 0.3, ".", color=corpora.colour(name), markersize=5)
    axes.grid(visible=False, axis="y")


def shares(table: pd.DataFrame) -> Figure:
    """What each measure's variance goes with, the studio's measures first.

    Parameters
    ----------
    table
        From `effects.shares`.
    """
    wide = 100 * table.pivot(index="measure", columns="part", values="share")[[*SHARES]]
    wide = wide.sort_values("corpus")
    figure, axes = plt.subplots(figsize=(10, 1.4 + 0.36 * len(wide)))
    names = [MEASURES[name].rpartition(" (")[0] for name in wide.index]
    left = np.zeros(len(wide))
    for part, colour in zip(SHARES, _SHARE_COLOURS, strict=True):
        bars = axes.barh(names, wide[part], 0.75, left=left, color=colour)
        texts = [f"{value:.0f}" if value > 100 * _NARROWEST else "" for value in wide[part]]
        dark = "0.3" if part == SHARES[-1] else "white"
        axes.bar_label(bars, texts, label_type="center", color=dark, fontsize=9)
        left += wide[part].to_numpy()
    axes.set(title="What a measure tells", xlabel="% of its variance", xlim=(0, 100))
    axes.grid(visible=False)
    handles = [Patch(facecolor=c, label=p) for p, c in zip(SHARES, _SHARE_COLOURS, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    return figure


def _sexes(clips: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The clips of women, of men, and of those of whom that is not known."""
    known = clips["sex"].where(clips["sex"] != "", _NOT_KNOWN)
    present = [sex for sex in ("female", "male", _NOT_KNOWN) if (known == sex).any()]
    return {sex: clips[known == sex] for sex in present}
