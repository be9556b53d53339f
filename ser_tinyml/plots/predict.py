"""A recording and what the model heard in it: waveform, log-mel bands, probabilities in time."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser_tinyml import features
from ser_tinyml.device.listener import Utterance
from ser_tinyml.features import FeatureConfig
from ser_tinyml.plots.style import colours_of

_WAVE, _UNSURE = "#34495e", "#8c8c8c"
_COLUMNS = 2000  # of a picture, however long the recording
_RANGE_DB = 70.0
_LONG_S = 60.0  # beyond it a picture has no room for curves and names


def recording(
    samples: np.ndarray,
    *,
    config: FeatureConfig,
    labels: Sequence[str],
    threshold: float,
    utterances: Sequence[Utterance],
    title: str,
) -> Figure:
    """Three rows over one time axis, with the utterances marked.

    Parameters
    ----------
    samples [shape=(n,)]
        At config.sample_rate, full scale is 1.
    config
        The features of the model.
    labels
        Of the model's outputs.
    threshold
        A probability below it counts as unsure.
    utterances
        What was heard in the samples.
    """
    end_s = len(samples) / config.sample_rate
    figure, rows = plt.subplots(3, 1, figsize=(11, 6.6), sharex=True, height_ratios=(2, 2, 3))
    _waveform(rows[0], samples, config.sample_rate)
    _bands(rows[1], samples, config)
    _probabilities(rows[2], labels, threshold)
    for utterance in utterances:
        if end_s <= _LONG_S:
            _curves(rows[2], utterance, labels)
            _mark(rows, utterance, labels, end_s)
        else:
            _dot(rows[2], utterance, labels)
    rows[0].set_title(title, parse_math=False)  # a file name may hold dollars
    rows[-1].set(xlabel="time (s)", xlim=(0, end_s))
    return figure


def _waveform(axis: Axes, samples: np.ndarray, rate: int) -> None:
    """The least and the greatest sample of every column of the picture."""
    starts = np.arange(0, len(samples), -(-len(samples) // _COLUMNS))
    least, greatest = (f.reduceat(samples, starts) for f in (np.minimum, np.maximum))
    axis.fill_between(starts / rate, least, greatest, color=_WAVE, linewidth=0.4)
    axis.set_ylabel("amplitude")


def _bands(axis: Axes, samples: np.ndarray, config: FeatureConfig) -> None:
    bands = features.log_mel(samples, config)
    starts = np.arange(0, len(bands), -(-len(bands) // _COLUMNS))
    columns = np.maximum.reduceat(bands, starts, axis=0).T
    hop_s = config.hop_length / config.sample_rate
    middle_s = (config.window_length - config.hop_length) / 2 / config.sample_rate
    axis.imshow(
        columns,
        extent=(middle_s, middle_s + len(bands) * hop_s, 0, config.n_mels),
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=columns.max() - _RANGE_DB,
        vmax=columns.max(),
        interpolation="none",
    )
    axis.set(ylabel="mel band", facecolor="black")
    axis.grid(visible=False)


def _probabilities(axis: Axes, labels: Sequence[str], threshold: float) -> None:
    axis.set(ylabel="probability", ylim=(0, 1.2), yticks=(0, 0.5, 1))
    for label, colour in colours_of(labels).items():
        axis.plot([], [], color=colour, label=label)
    axis.axhline(threshold, color=_UNSURE, linewidth=1, linestyle="--", label="unsure below")
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def _curves(axis: Axes, utterance: Utterance, labels: Sequence[str]) -> None:
    seconds = [step.time_s for step in utterance.timeline]
    values = np.array([step.probabilities for step in utterance.timeline])
    for colour, column in zip(colours_of(labels).values(), values.T, strict=True):
        axis.plot(seconds, column, color=colour, linewidth=1.6)


def _dot(axis: Axes, utterance: Utterance, labels: Sequence[str]) -> None:
    """What an utterance came to, and how surely; hollow if unsure."""
    colour = colours_of(labels)[utterance.label]
    middle_s = (utterance.start_s + utterance.end_s) / 2
    filled = colour if utterance.answered else "none"
    axis.plot(middle_s, utterance.probabilities.max(), ".", color=colour, markerfacecolor=filled)


def _mark(rows: Sequence[Axes], utterance: Utterance, labels: Sequence[str], end_s: float) -> None:
    """Shade an utterance in its colour, or hatch it, and write what it came to."""
    colour = colours_of(labels)[utterance.label] if utterance.answered else _UNSURE
    look = {"color": colour, "alpha": 0.15, "linewidth": 0}
    if not utterance.answered:
        look = {"facecolor": "none", "edgecolor": _UNSURE, "alpha": 0.3, "hatch": "//"}
    stop = min(utterance.end_s, end_s)
    for axis in (rows[0], rows[-1]):
        axis.axvspan(utterance.start_s, stop, **look)
    rows[-1].text(
        (utterance.start_s + stop) / 2,
        1.17,
        utterance.label if utterance.answered else "unsure",
        color=colour,
        ha="center",
        va="top",
        fontsize=9 if end_s <= _LONG_S / 2 else 6,
        weight="bold",
        clip_on=True,
    )
