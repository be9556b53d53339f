"""Figures of stage 03: how training went, and what the net gets right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ser_tinyml.data import corpora
from ser_tinyml.features import frame_augment
from ser_tinyml.plots import style

if TYPE_CHECKING:
    from ser_tinyml.training.fitting import Frames


def frame_versions(frames: Frames, *, rng: np.random.Generator, count: int = 3) -> Figure:
    """Mel bands of the first training clip as they are, and some draws of the augmentation."""
    config = frames.config
    window = np.asarray(frames.windows[:1], np.float32)
    first = frame_augment.margin(config)
    drawn, _ = frame_augment.augment_frames(
        window.repeat(count, axis=0), rng, augmentation=frames.augmentation, config=config
    )
    shown = [window[0, first : first + config.n_frames], *drawn]
    figure, axes = plt.subplots(1, len(shown), figsize=(12, 3), sharey=True)
    seconds = config.n_frames * config.hop_length / config.sample_rate
    for number, (axis, bands) in enumerate(zip(axes, shown, strict=True)):
        axis.imshow(
            bands.T,
            origin="lower",
            aspect="auto",
            extent=(0, seconds, 0, config.n_mels),
            cmap="magma",
            vmin=bands.max() - config.range_db,
        )
        title = f"draw {number}" if number else "as recorded"
        axis.set(title=title, xlabel="seconds from the onset")
        axis.grid(visible=False)
    axes[0].set_ylabel("mel band")
    return figure


def learning_curves(history: pd.DataFrame, *, kept_epoch: int) -> Figure:
    """Loss and validation UAR over the epochs; the epoch that was kept is marked."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6))
    left.plot(history["epoch"], history["loss"], label="training", color="#34495e")
    left.plot(history["epoch"], history["validation_loss"], label="validation", color="#e0a030")
    left.set(title="Loss", xlabel="epoch", ylabel="cross-entropy")
    right.plot(history["epoch"], history["validation_uar"], label="UAR", color="#b8323c")
    right.plot(history["epoch"], history["validation_accuracy"], label="accuracy", color="#8c8c8c")
    right.set(title="Validation", xlabel="epoch", ylabel="share", ylim=(0, 1))
    for axis in (left, right):
        axis.axvline(kept_epoch, color="black", linestyle=":", label=f"kept: epoch {kept_epoch}")
    left.legend(frameon=False)
    right.legend(edgecolor="none", loc="lower right")  # hides the dotted line behind it
    return figure


def confusions(scores: dict[str, dict[str, Any]], *, classes: Sequence[str]) -> Figure:
    """Confusion matrices side by side, each row in percent of its true class.

    Parameters
    ----------
    scores
        Title -> what `metrics.score` gives.
    """
    figure, axes = plt.subplots(
        1, len(scores), figsize=(3.4 * len(scores) + 0.8, 3.9), squeeze=False, sharey=True
    )
    for axis, (title, score) in zip(axes[0], scores.items(), strict=True):
        counts = np.asarray(score["confusion"], float)
        total = counts.sum(axis=1, keepdims=True)
        percent = np.divide(100 * counts, total, out=np.full_like(counts, np.nan), where=total > 0)
        sns.heatmap(
            percent,
            annot=True,
            fmt=".0f",
            cmap="Blues",
            vmin=0,
            vmax=100,
            cbar=False,
            square=True,
            xticklabels=classes,
            yticklabels=classes,
            ax=axis,
        )
        axis.set(xlabel="heard as")
        axis.set_title(f"{title}\nUAR {score['uar']:.3f}, n = {score['n']}")
        axis.tick_params(axis="x", rotation=40)
        axis.tick_params(axis="y", rotation=0)
        axis.grid(visible=False)
        for place in np.flatnonzero(total == 0):
            axis.text(len(classes) / 2, place + 0.5, "no such clips", ha="center", va="center")
    axes[0, 0].set_ylabel("truth (rows: percent)")
    return figure


def teachers(clips: pd.DataFrame, answers: np.ndarray, *, classes: Sequence[str]) -> Figure:
    """Labels of some clips, and what teachers answer about them: a panel a clip.

    Parameters
    ----------
    clips
        Columns speaker and label.
    answers [shape=(n, n_classes)]
        Probabilities.
    """
    colours = style.colours_of(classes)
    figure, axes = plt.subplots(1, len(clips), figsize=(3 * len(clips), 2.6), sharey=True)
    for axis, (_, clip), answer in zip(np.ravel(axes), clips.iterrows(), answers, strict=True):
        label = np.array([float(name == clip["label"]) for name in classes])
        for place, shares in (("label", label), ("teachers", answer)):
            begins = np.cumsum(shares) - shares
            for name, share, begin in zip(classes, shares, begins, strict=True):
                axis.barh(place, 100 * share, left=100 * begin, color=colours[name])
        axis.set(title=clip["speaker"], xlabel="probability (%)", xlim=(0, 100))
        axis.grid(visible=False)
    axis.invert_yaxis()  # of all, which share it: the label above
    handles = [Patch(color=colours[name], label=name) for name in classes]
    figure.legend(handles=handles, ncols=len(classes), loc="outside lower center", frameon=False)
    return figure


def per_speaker(table: pd.DataFrame) -> Figure:
    """UAR of every held-out speaker, in the colour of the corpus, and of always one answer.

    Parameters
    ----------
    table
        Columns corpus, speaker, uar and majority_uar: a line a speaker, of `metrics.score_table`.
    """
    table = table.sort_values(["corpus", "uar"]).reset_index(drop=True)
    figure, axis = plt.subplots(figsize=(11, 3.6))
    axis.bar(table.index, table["uar"], color=table["corpus"].map(corpora.colour))
    axis.hlines(table["majority_uar"], table.index - 0.4, table.index + 0.4, color="black", ls=":")
    names = [
        name.removeprefix(f"{corpus}-")
        for name, corpus in zip(table["speaker"], table["corpus"], strict=True)
    ]
    axis.set_xticks(table.index, names, rotation=90)
    axis.grid(axis="x", visible=False)
    title = "UAR of every held-out speaker, over the classes the speaker has"
    axis.set(title=title, xlabel="speaker", ylabel="UAR", ylim=(0, 1.1))
    shown = corpora.order(table["corpus"])
    handles = [plt.Rectangle((0, 0), 1, 1, color=corpora.colour(corpus)) for corpus in shown]
    handles.append(plt.Line2D([], [], color="black", linestyle=":"))
    names = [*shown, "always one answer"]
    axis.legend(handles, names, frameon=False, ncols=len(names), loc="upper left")
    return figure
