"""Figures of the streaming path: one recording as it is heard, delays, false alarms."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ser_tinyml.device.listener import Heard
from ser_tinyml.evaluation.streaming import ALL
from ser_tinyml.features import FeatureConfig
from ser_tinyml.plots.live import draw_level, draw_probabilities, draw_waveform

_DELAY, _ANSWERED, _UNSURE = "#34495e", "#b8323c", "#c9ced3"
_BIN_S = 0.1


def timeline(
    samples: np.ndarray,
    heard: Heard,
    *,
    rate: int,
    config: FeatureConfig,
    labels: Sequence[str],
    threshold: float,
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
    threshold
        A decision less probable is "unsure".
    speech_end_s
        When the speech ends, on the time axis of the samples.
    """
    figure, rows = plt.subplots(3, 1, figsize=(11, 6.6), sharex=True, height_ratios=(2, 2, 3))
    gated, frames = heard.gated, np.arange(len(heard.gated.events))
    seconds = (frames * config.hop_length + config.window_length) / config.sample_rate
    draw_waveform(rows[0], samples, rate)
    shaded = {"speech": gated.speech, "sounds like a voice": gated.voice}
    draw_level(rows[1], seconds, gated.level_db, gated.floor_db, shaded)
    curves = [
        (
            [step.time_s for step in one.timeline],
            np.stack([step.probabilities for step in one.timeline]),
        )
        for one in heard.utterances
    ]
    decisions = [(u.decided_s, u.label if u.answered else "unsure") for u in heard.utterances]
    draw_probabilities(rows[2], labels, curves, decisions, threshold=threshold)
    if speech_end_s is not None:
        for axis in rows:
            axis.axvline(speech_end_s, color="black", linewidth=1, linestyle=":")
        rows[0].text(speech_end_s, rows[0].get_ylim()[1], " end of speech", va="top", fontsize=9)
    rows[0].set_title(title or "As the board hears it")
    rows[-1].set(xlabel="time (s)", xlim=(0, len(samples) / rate))
    return figure


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
    axis.hist(seconds, bins=edges, color=_DELAY)
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
        axis.legend(frameon=False, loc="upper right")
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
        ("windows_per_hour", "windows that the gate takes for speech", _UNSURE, 0.2),
        ("answered_per_hour", "of these, answered: false alarms", _ANSWERED, -0.2),
    ):
        axis.barh(places + shift, table[column], height=0.38, color=colour, label=label)
        for place, value in zip(places + shift, table[column], strict=True):
            axis.text(value, place, f" {value:.0f}", va="center", fontsize=8)
    total = f"{ALL}, {table['hours'].iloc[-1]:.2g} h"
    names = [total if kind == ALL else kind for kind in table["kind"]]
    axis.set(
        title="Sounds without speech", xlabel="number per hour", yticks=places, yticklabels=names
    )
    axis.grid(visible=False, axis="y")
    axis.margins(x=0.08)
    axis.legend(loc="lower right", frameon=False)
    return figure
