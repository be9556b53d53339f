"""The stream on the board, to scale in time: frames, steps, windows, decisions."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser_tinyml.device import gate
from ser_tinyml.device.gate import Gated
from ser_tinyml.device.listener import Window, windows
from ser_tinyml.device.listening import LISTENING
from ser_tinyml.features import FeatureConfig
from ser_tinyml.plots.diagrams.shapes import GATE, INK, RESULT, STATE, VALUE
from ser_tinyml.tflite.release import Release

SPOKEN_S = ((0.6, 1.9), (3.2, 8.4))  # a short sentence, and one longer than a window
LENGTH_S = 9.6
QUIET_DB, SPEECH_DB = -90.0, -30.0  # of the made-up sound in every band
_STEPS_SHOWN = 3  # in the close-up
_EDGE = {"edgecolor": INK, "linewidth": 0.8}


def stream(release: Release) -> Figure:
    """Frames and steps in a close-up, then two sentences with their windows and decisions.

    The gate and the windows are those of the project's own code, on a made-up sound.

    Parameters
    ----------
    release
        A model whose features begin at an onset.
    """
    config = release.config
    figure, (above, below) = plt.subplots(2, 1, figsize=(11, 6.6), height_ratios=(2.6, 3.2))
    _close_up(above, config)
    _sentences(below, config)
    return figure


def seconds(frames: float, config: FeatureConfig) -> float:
    """The length of some hops."""
    return frames * config.hop_length / config.sample_rate


def end_s(frame: int, config: FeatureConfig) -> float:
    """When a frame is whole: only then can the board use it."""
    return seconds(frame, config) + config.window_length / config.sample_rate


def heard(config: FeatureConfig) -> tuple[Gated, list[Window]]:
    """What the gate and the windows make of the made-up sound."""
    starts = np.arange(int(LENGTH_S * config.sample_rate / config.hop_length))
    times = starts * config.hop_length / config.sample_rate
    spoken = np.zeros(len(times), bool)
    for begin, end in SPOKEN_S:
        spoken |= (times >= begin) & (times < end)
    bands = np.where(spoken, SPEECH_DB, QUIET_DB)[:, None] * np.ones((1, config.n_mels))
    gated = gate.run(bands, LISTENING.gate(config))
    return gated, windows(gated, config)


def _close_up(axis: Axes, config: FeatureConfig) -> None:
    """The first frames of a window, and the steps that they make."""
    frame_s = config.window_length / config.sample_rate
    hop_s, frames = seconds(1, config), _STEPS_SHOWN * config.stack
    for number in range(frames):
        left = 1000 * seconds(number, config)
        colour = VALUE if number // config.stack % 2 == 0 else "white"
        axis.barh(frames - number, 1000 * frame_s, left=left, height=0.8, color=colour, **_EDGE)
        axis.text(left + 3, frames - number, f"frame {number + 1}", ha="left", **_MID)
    for step in range(_STEPS_SHOWN):
        last = (step + 1) * config.stack - 1
        end = 1000 * (seconds(last, config) + frame_s)
        axis.plot([end, end], [frames - last - 0.4, -0.2], ":", color=INK, linewidth=1)
        axis.plot(end, -0.2, "v", color=INK)
        axis.text(end, -0.75, f"step {step + 1}: the net runs", ha="center", **_MID)
    total = 1000 * (seconds(frames - 1, config) + frame_s)
    axis.set(xlim=(-5, total * 1.12), ylim=(-1.3, frames + 0.7), xlabel="time (ms)", yticks=[])
    axis.grid(axis="y", visible=False)
    title = (
        f"A frame of {1000 * frame_s:g} ms every {1000 * hop_s:g} ms (the hop); "
        f"{config.stack} frames, {config.feature_shape[1]} numbers, are a step of the net: "
        f"one every {1000 * hop_s * config.stack:g} ms"
    )
    axis.set_title(title, loc="left")


def _sentences(axis: Axes, config: FeatureConfig) -> None:
    """Sound, gate, windows with their steps, and decisions over some seconds."""
    gated, found = heard(config)
    settings = LISTENING.decider(config)
    for begin, end in SPOKEN_S:
        axis.barh(3, end - begin, left=begin, height=0.6, color=VALUE, **_EDGE)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], gated.speech.astype(int), [0]])))
    for first, last in edges.reshape(-1, 2):
        left, right = end_s(int(first), config), end_s(int(last), config)
        axis.barh(2, right - left, left=left, height=0.6, color=GATE, **_EDGE)
    for window in found:
        _window(axis, window, config, least=settings.min_steps)
    axis.set_yticks([3, 2, 1], ["somebody speaks", "the gate is open", "windows, steps"])
    axis.set(xlim=(0, LENGTH_S), ylim=(-1.2, 3.5), xlabel="time (s)")
    axis.grid(axis="y", visible=False)
    hangover = seconds(LISTENING.gate(config).hangover_frames, config)
    title = (
        f"A window holds {config.feature_shape[0]} steps, {config.duration_s:.2f} s; "
        f"the gate closes after {hangover:.2f} s of quiet"
    )
    axis.set_title(title, loc="left")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in (STATE, RESULT)]
    names = [
        f"steps 1 to {settings.min_steps - 1}: too little was heard",
        f"from step {settings.min_steps} on the mean of the last {settings.smoothing_steps} counts",
    ]
    axis.legend(handles, names, loc="lower left", ncols=2, frameon=False)


def _window(axis: Axes, window: Window, config: FeatureConfig, *, least: int) -> None:
    """One window: its steps, each as wide as the time to the next, and its decision."""
    count = (window.last - window.first + 1) // config.stack
    for step in range(count):
        end = end_s(window.first + (step + 1) * config.stack - 1, config)
        width = seconds(config.stack, config)
        colour = STATE if step + 1 < least else RESULT
        axis.barh(1, width, left=end - width, height=0.6, color=colour, **_EDGE)
    if window.closed and count >= least:
        decided = end_s(window.last, config)
        axis.plot([decided, decided], [1.3, 0.2], color=INK, linewidth=1)
        text = f"decision\nafter {count} steps"
        axis.text(decided, 0.15, text, ha="center", va="top", size=9)


_MID = {"va": "center", "size": 9}
