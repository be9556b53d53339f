"""Figures of the streaming path: one recording as it is heard, delays, false alarms."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser_tinyml.features import FeatureConfig
from ser_tinyml.gate import Gated
from ser_tinyml.listener import Heard, Utterance
from ser_tinyml.plots.live import colours_of
from ser_tinyml.streaming import ALL

_LEVEL, _FLOOR, _SPEECH, _VOICE = "#34495e", "#8c8c8c", "#e0a030", "#4d9a6a"
_ANSWERED, _UNSURE = "#b8323c", "#c9ced3"
_BIN_S = 0.1


def timeline(
    samples: np.ndarray,
    heard: Heard,
    *,
    rate: int,
    config: FeatureConfig,
    labels: Sequence[str],
    speech_end_s: float | None = None,
    title: str = "",
) -> Figure:
    """A recording as the board hears it: waveform, gate, probabilities, and the decisions.

    Parameters
    ----------
    samples [shape=(n,)]
        What was played.
    heard
        What `Listener.listen` made of it.
    rate
        In Hz.
    config
        Features of the model.
    labels
        Names of its outputs.
    speech_end_s
        When the speech ends, on the time axis of the samples.
    """
    figure, rows = plt.subplots(3, 1, figsize=(11, 6.6), sharex=True, height_ratios=(2, 2, 3))
    _waveform(rows[0], samples, rate)
    _gate(rows[1], heard.gated, config)
    _probabilities(rows[2], heard.utterances, labels)
    if speech_end_s is not None:
        for axis in rows:
            axis.axvline(speech_end_s, color="black", linewidth=1, linestyle=":")
        rows[0].text(speech_end_s, rows[0].get_ylim()[1], " end of speech", va="top", fontsize=9)
    rows[0].set_title(title or "As the board hears it")
    rows[-1].set(xlabel="time (s)", xlim=(0, len(samples) / rate))
    return figure


def _waveform(axis: Axes, samples: np.ndarray, rate: int) -> None:
    width = max(len(samples) // 2000, 1)  # the least and the greatest of so many samples
    blocks = samples[: len(samples) // width * width].reshape(-1, width)
    seconds = np.arange(len(blocks)) * width / rate
    axis.fill_between(seconds, blocks.min(axis=1), blocks.max(axis=1), color=_LEVEL, linewidth=0.4)
    axis.set_ylabel("amplitude")


def _gate(axis: Axes, gated: Gated, config: FeatureConfig) -> None:
    frames = np.arange(len(gated.events))
    seconds = (frames * config.hop_length + config.window_length) / config.sample_rate
    axis.plot(seconds, gated.level_db, color=_LEVEL, linewidth=1, label="level")
    axis.plot(
        seconds, gated.floor_db, color=_FLOOR, linewidth=1, linestyle="--", label="floor of noise"
    )
    bottom, top = axis.get_ylim()
    for shown, colour, alpha, label in (
        (gated.speech, _SPEECH, 0.2, "speech"),
        (gated.voice, _VOICE, 0.35, "sounds like a voice"),
    ):
        axis.fill_between(
            seconds,
            bottom,
            top,
            where=shown,
            step="mid",
            color=colour,
            alpha=alpha,
            linewidth=0,
            label=label,
        )
    axis.set(ylabel="level (dB)", ylim=(bottom, top))
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def _probabilities(axis: Axes, utterances: Sequence[Utterance], labels: Sequence[str]) -> None:
    axis.set(ylabel="probability", ylim=(0, 1.25), yticks=(0, 0.5, 1))
    colours = colours_of(labels)
    for utterance in utterances:
        seconds = [step.time_s for step in utterance.timeline]
        values = np.stack([step.probabilities for step in utterance.timeline])
        for label, column in zip(labels, values.T, strict=True):
            axis.plot(seconds, column, color=colours[label], linewidth=1.6)
        said = utterance.label if utterance.answered else "unsure"
        colour = colours.get(said, "#444444")
        axis.axvline(utterance.decided_s, color=colour, linewidth=1)
        axis.text(
            utterance.decided_s,
            1.21,
            f"{said} ",
            color="white",
            backgroundcolor=colour,
            ha="right",
            va="top",
            fontsize=9,
        )
    for label, colour in colours.items():
        axis.plot([], [], color=colour, label=label)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def delays(table: pd.DataFrame) -> Figure:
    """From the end of speech to the final decision.

    Parameters
    ----------
    table
        From `streaming.evaluate`.
    """
    seconds = table["delay_s"].dropna()
    figure, axis = plt.subplots(figsize=(9, 3.2))
    first, last = (seconds.min(), seconds.max()) if len(seconds) else (0.0, 1.0)
    edges = np.arange(np.floor(first / _BIN_S), np.floor(last / _BIN_S) + 2) * _BIN_S
    axis.hist(seconds, bins=edges, color=_LEVEL)
    for share, name, style in ((0.5, "median", "-"), (0.9, "90 %", "--")):
        if len(seconds):
            at = float(seconds.quantile(share))
            label = f"{name}: {at:.2f} s"
            axis.axvline(at, color=_ANSWERED, linewidth=1.2, linestyle=style, label=label)
    axis.set(
        title=f"From the end of speech to the decision ({len(seconds)} recordings)",
        xlabel="delay (s); below 0: a window was full before the speech ended",
        ylabel="recordings",
    )
    if len(seconds):
        axis.legend(frameon=False)
    return figure


def false_alarms(table: pd.DataFrame) -> Figure:
    """Windows and answers an hour of each kind of sound, and of all together.

    Parameters
    ----------
    table
        From `streaming.false_alarms`.
    """
    figure, axis = plt.subplots(figsize=(9, 0.42 * len(table) + 1.3))
    places = np.arange(len(table))[::-1]
    for column, label, colour, shift in (
        ("windows_per_hour", "windows of speech, the gate says", _UNSURE, 0.2),
        ("answered_per_hour", "answered: false alarms", _ANSWERED, -0.2),
    ):
        axis.barh(places + shift, table[column], height=0.38, color=colour, label=label)
        for place, value in zip(places + shift, table[column], strict=True):
            axis.text(value, place, f" {value:.0f}", va="center", fontsize=8)
    total = f"{ALL}, {table['hours'].iloc[-1]:.2g} h"
    names = [total if kind == ALL else kind for kind in table["kind"]]
    axis.set(title="Sounds without speech", xlabel="an hour", yticks=places, yticklabels=names)
    axis.grid(visible=False, axis="y")
    axis.margins(x=0.08)
    axis.legend(loc="lower right", frameon=False)
    return figure
