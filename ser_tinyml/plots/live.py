"""What a board hears and says, as it comes: sound, level, features, probabilities, decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ser_tinyml.device.board import Board
from ser_tinyml.device.hearing import Hearing
from ser_tinyml.plots.style import colours_of

_FLOOR, _LEVEL = "#8c8c8c", "#34495e"
_SHADES = {
    "speech": {"color": "#e0a030", "alpha": 0.2},
    "sounds like a voice": {"color": "#4d9a6a", "alpha": 0.35},
}


def listening(
    hearing: Hearing,
    board: Board,
    *,
    spoken: Sequence[tuple[float, float, str]] = (),
    last_s: float | None = None,
    title: str = "",
) -> Figure:
    """Four rows over one time axis, with the final decisions written into the last.

    Parameters
    ----------
    hearing
        What the board said so far.
    spoken
        The truth, where it is known: begin and end in seconds, and the emotion that was meant.
    last_s
        Show the last so many seconds only.
    """
    end = max(hearing.seconds, 1.0)
    start = 0.0 if last_s is None else max(end - last_s, 0.0)
    figure, rows = plt.subplots(4, 1, figsize=(11, 8.2), sharex=True, height_ratios=(2, 2, 3, 3))
    samples = hearing.samples[round(start * hearing.rate) :] / 32768
    draw_waveform(rows[0], samples, hearing.rate, start_s=start)
    draw_spoken(rows[0], spoken, start=start, end=end)
    if hearing.levels:
        seconds, level, floor, speech = map(np.array, zip(*hearing.levels, strict=True))
        draw_level(rows[1], seconds, level, floor, {"speech": speech})
    _features(rows[2], hearing, board)
    curves = [
        ([second for second, _ in run], board.probabilities(np.array([s.outputs for _, s in run])))
        for run in _windows(hearing)
    ]
    decisions = [(d["second"], d["label"]) for d in hearing.decisions if d["second"] >= start]
    threshold = board.status["threshold"]
    draw_probabilities(rows[3], board.labels, curves, decisions, threshold=threshold)
    rows[0].set_title(title or "What the board hears")
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


def draw_waveform(axis: Axes, samples: np.ndarray, rate: int, *, start_s: float = 0.0) -> None:
    """Samples of full scale 1, from `start_s` on."""
    width = max(len(samples) // 2000, 1)  # the least and the greatest of so many samples
    blocks = samples[: len(samples) // width * width].reshape(-1, width)
    seconds = start_s + np.arange(len(blocks)) * width / rate
    axis.fill_between(seconds, blocks.min(axis=1), blocks.max(axis=1), color=_LEVEL, linewidth=0.4)
    axis.set_ylabel("amplitude")


def draw_spoken(
    axis: Axes,
    spoken: Iterable[tuple[float, float, str]],
    *,
    start: float = -np.inf,
    end: float = np.inf,
) -> None:
    """Mark what was spoken, and write above it the emotion that was meant.

    Parameters
    ----------
    spoken
        Begin and end in seconds, and the emotion.
    start, end
        Seconds that the axis shows: what lies across one of them is named inside.
    """
    spoken = [one for one in spoken if one[0] < end and one[1] > start]
    colours = colours_of([emotion for *_, emotion in spoken])
    bottom, top = axis.get_ylim()
    axis.set_ylim(bottom, top + 0.25 * (top - bottom) * bool(spoken))
    for first, last, emotion in spoken:
        axis.axvspan(max(first, start), min(last, end), color=colours[emotion], alpha=0.2, lw=0)
        place, side = (first + last) / 2, "center"
        if first < start or last > end:
            place, side = (end, "right") if last > end else (start, "left")
        where = {"ha": side, "va": "bottom", "fontsize": 9, "clip_on": True}
        axis.text(place, top, emotion, color=".15", **where)
    if spoken:
        axis.plot([], [], color="#8c8c8c", alpha=0.4, linewidth=6, label="what was meant")
        axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def draw_level(
    axis: Axes,
    seconds: np.ndarray,
    level_db: np.ndarray,
    floor_db: np.ndarray,
    shaded: Mapping[str, np.ndarray],
) -> None:
    """What the gate says of each frame.

    Parameters
    ----------
    seconds, level_db, floor_db [shape=(n,)]
    shaded
        "speech" or "sounds like a voice" -> whether it is [shape=(n,)].
    """
    axis.plot(seconds, level_db, color=_LEVEL, linewidth=1, label="level")
    axis.plot(seconds, floor_db, color=_FLOOR, linewidth=1, linestyle="--", label="floor of noise")
    bottom, top = axis.get_ylim()
    for name, where in shaded.items():
        look = {"step": "mid", "linewidth": 0, "label": name, **_SHADES[name]}
        axis.fill_between(seconds, bottom, top, where=where, **look)
    axis.set(ylabel="level (dB)", ylim=(bottom, top))
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def draw_probabilities(
    axis: Axes,
    labels: Sequence[str],
    windows: Iterable[tuple[Sequence[float], np.ndarray]],
    decisions: Iterable[tuple[float, str]],
    *,
    threshold: float | None = None,
) -> None:
    """Curves of every label, and the decisions written where they were made.

    A label is written on its colour; "unsure" stands in a dashed frame, for no light goes on.

    Parameters
    ----------
    windows
        Seconds and probabilities [shape=(steps, n_labels)] of each.
    decisions
        Seconds, and a label or "unsure".
    threshold
        That the most probable label has to reach, averaged over some steps.
    """
    axis.set(ylabel="probability", ylim=(0, 1.25), yticks=(0, 0.5, 1))
    colours = colours_of(labels)
    for seconds, values in windows:
        for label, column in zip(labels, values.T, strict=True):
            axis.plot(seconds, column, color=colours[label], linewidth=1.6)
    for second, said in decisions:
        colour, sure = colours.get(said, ".45"), said in colours
        style = "-" if sure else "--"
        box = {"facecolor": colour if sure else "white", "edgecolor": colour, "linestyle": style}
        axis.axvline(second, color=colour, linewidth=1, linestyle=style)
        axis.text(
            second,
            1.2,
            f"{said} ",
            color="white" if sure else ".25",
            style="normal" if sure else "italic",
            bbox={"pad": 3, **box},
            ha="right",
            va="top",
            fontsize=9,
            clip_on=True,
        )
    for label, colour in colours.items():
        axis.plot([], [], color=colour, label=label)
    if threshold is not None:
        look = {"color": ".3", "linewidth": 1, "linestyle": ":"}
        axis.axhline(threshold, **look, label=f"threshold {threshold:.2f}")
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


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
    features_ms, engine_ms = (
        float(np.median(micros)) / 1000 if len(micros) else 0.0
        for micros in (features_us, engine_us)
    )
    busy_ms = features_ms + engine_ms
    bars = (  # name, where it begins, how long it is, colour
        ("features", 0.0, features_ms, "#4d9a6a"),
        ("engine", features_ms, engine_ms, "#3b6fa0"),
        ("time for a step", 0.0, step_ms, "#c9ced3"),
    )
    figure, axis = plt.subplots(figsize=(9, 2.4))
    for place, (_, left, ms, colour) in enumerate(bars):
        axis.barh(place, ms, left=left, height=0.6, color=colour, edgecolor=colour)
        text = f"  {ms:.0f} ms" if ms >= 10 else f"  {ms:.3g} ms"
        axis.text(left + ms, place, text, va="center", size=10)
    axis.set_yticks(range(len(bars)), [name for name, *_ in bars])
    axis.invert_yaxis()
    share = 100 * busy_ms / step_ms
    axis.set(
        title=f"One step on the {board}: busy for {busy_ms:.3g} of {step_ms:.0f} ms, {share:.2g} %",
        xlabel="ms, median of the steps",
        xlim=(0, 1.12 * max(step_ms, busy_ms)),
    )
    axis.grid(axis="y", visible=False)
    return figure


def _windows(hearing: Hearing) -> list[list]:
    """Steps, window by window; each window starts with step 0."""
    windows: list[list] = []
    for second, step in hearing.steps:
        if step.step == 0 or not windows:
            windows.append([])
        windows[-1].append((second, step))
    return windows
