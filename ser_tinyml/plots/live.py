"""What a board hears and says, as it comes: sound, level, features, probabilities, decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser_tinyml.board import Board, Hearing
from ser_tinyml.plots.style import EMOTION_COLOURS

_FLOOR, _LEVEL, _SPEECH = "#8c8c8c", "#34495e", "#e0a030"
_OTHERS = ("#3b6fa0", "#c9713d", "#4d9a6a", "#a15b9e")  # labels without a colour of their own


def listening(
    hearing: Hearing, board: Board, *, last_s: float | None = None, title: str = ""
) -> Figure:
    """Four rows over one time axis, with the final decisions written into the last.

    Parameters
    ----------
    hearing
        What the board said so far.
    last_s
        Show the last so many seconds only.
    """
    end = max(hearing.seconds, 1.0)
    start = 0.0 if last_s is None else max(end - last_s, 0.0)
    figure, rows = plt.subplots(4, 1, figsize=(11, 8.2), sharex=True, height_ratios=(2, 2, 3, 3))
    _waveform(rows[0], hearing, start)
    _level(rows[1], hearing)
    _features(rows[2], hearing, board)
    _probabilities(rows[3], hearing, board, start)
    rows[0].set_title(title or "The microphone of the board")
    rows[-1].set(xlabel="time (s)", xlim=(start, end))
    return figure


def show(handle: Any, figure: Figure) -> None:
    """Put a figure where another one was.

    Parameters
    ----------
    handle
        From IPython's ``display(display_id=True)``.
    """
    handle.update(figure)
    plt.close(figure)


def _waveform(axis: Axes, hearing: Hearing, start: float) -> None:
    first = round(start * hearing.rate)
    samples = hearing.samples[first:] / 32768
    width = max(len(samples) // 2000, 1)  # the least and the greatest of so many samples
    blocks = samples[: len(samples) // width * width].reshape(-1, width)
    seconds = start + np.arange(len(blocks)) * width / hearing.rate
    if len(blocks):
        axis.fill_between(
            seconds, blocks.min(axis=1), blocks.max(axis=1), color=_LEVEL, linewidth=0.4
        )
    axis.set_ylabel("amplitude")


def _level(axis: Axes, hearing: Hearing) -> None:
    axis.set_ylabel("level (dB)")
    if not hearing.levels:
        return
    seconds, level, floor, speech = (np.array(x) for x in zip(*hearing.levels, strict=True))
    axis.plot(seconds, level, color=_LEVEL, linewidth=1, label="level")
    axis.plot(seconds, floor, color=_FLOOR, linewidth=1, linestyle="--", label="floor of noise")
    bottom, top = axis.get_ylim()
    axis.fill_between(
        seconds, bottom, top, where=speech, color=_SPEECH, alpha=0.2, linewidth=0, label="speech"
    )
    axis.set_ylim(bottom, top)
    axis.legend(loc="upper left", ncols=3, frameon=True)


def _features(axis: Axes, hearing: Hearing, board: Board) -> None:
    inputs = board.status["inputs"]
    axis.set(ylabel="int8 input", ylim=(-0.5, inputs - 0.5))
    axis.grid(visible=False)
    if not hearing.steps:
        return
    width = board.step_ms / 1000
    for run in _windows(hearing):
        columns = np.array([step.inputs for _, step in run]).T
        right = run[-1][0]
        extent = (right - width * len(run), right, -0.5, inputs - 0.5)
        axis.imshow(
            columns,
            extent=extent,
            origin="lower",
            aspect="auto",
            cmap="RdBu_r",
            vmin=-100,
            vmax=100,
            interpolation="none",
        )


def _probabilities(axis: Axes, hearing: Hearing, board: Board, start: float) -> None:
    axis.set(ylabel="probability", ylim=(0, 1.25), yticks=(0, 0.5, 1))
    colours = colours_of(board.labels)
    for run in _windows(hearing):
        seconds = [second for second, _ in run]
        values = board.probabilities(np.array([step.outputs for _, step in run]))
        for label, column in zip(board.labels, values.T, strict=True):
            axis.plot(seconds, column, color=colours[label], linewidth=1.6)
    for decision in hearing.decisions:
        if decision["second"] < start:
            continue
        label = decision["label"]
        colour = colours.get(label, "#444444")
        axis.axvline(decision["second"], color=colour, linewidth=1)
        axis.text(
            decision["second"],
            1.21,
            f"{label} ",
            color="white",
            backgroundcolor=colour,
            ha="right",
            va="top",
            fontsize=9,
        )
    for label, colour in colours.items():
        axis.plot([], [], color=colour, label=label)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def step_times(
    features_us: np.ndarray, engine_us: np.ndarray, *, step_ms: float, board: str
) -> Figure:
    """How long the board takes for its steps, against the time it has.

    Parameters
    ----------
    features_us, engine_us [shape=(n,)]
        Microseconds of each step.
    step_ms
        Milliseconds of sound in a step.
    board
        Whose times these are.
    """
    parts = (("features", features_us, "#4d9a6a"), ("engine", engine_us, "#3b6fa0"))
    figure, axis = plt.subplots(figsize=(9, 2.2))
    left = 0.0
    for name, micros, colour in parts:
        ms = float(np.median(micros)) / 1000 if len(micros) else 0.0
        axis.barh(0, ms, left=left, color=colour, linewidth=0, label=f"{name}: {ms:.2f} ms")
        left += ms
    axis.barh(0, max(step_ms - left, 0), left=left, color="#ececec", linewidth=0, label="free")
    axis.set(
        title=f"One step on the {board}, median: {left:.2f} of {step_ms:.0f} ms",
        xlabel="ms",
        yticks=[],
        xlim=(0, max(step_ms, left)),
    )
    axis.grid(visible=False)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1.1), frameon=False)
    return figure


def colours_of(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label."""
    others = iter(_OTHERS * len(labels))
    return {label: EMOTION_COLOURS.get(label) or next(others) for label in labels}


def _windows(hearing: Hearing) -> list[list]:
    """Steps, window by window; each window starts with step 0."""
    windows: list[list] = []
    for second, step in hearing.steps:
        if step.step == 0 or not windows:
            windows.append([])
        windows[-1].append((second, step))
    return windows
