"""A board on the serial port, or a virtual one: what it hears, and a report of it to send."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml import files
from ser_tinyml.device import GOLDEN, MODEL
from ser_tinyml.device import report as reports
from ser_tinyml.device.board import Board, find, none_found
from ser_tinyml.device.golden import Golden
from ser_tinyml.device.hearing import Hearing
from ser_tinyml.device.virtual import VirtualBoard, with_pauses
from ser_tinyml.sound import audio, reading

_SENTENCES = 8  # of the golden clips; the others are silence, noise and the like
_AFTER_S = 1.5  # of quiet, so that the last decision is made


@contextlib.contextmanager
def opened(
    port: str | None = None,
    *,
    virtual: str | None = None,
    speed: float = 1.0,
    model: Path = MODEL,
    golden: Path = GOLDEN,
) -> Iterator[tuple[Board, float]]:
    """A board to talk to.

    Parameters
    ----------
    port
        Of the board; None: the first that answers.
    virtual
        In place of a board, a virtual one that hears this recording; "": the golden sentences.
    speed
        Of the virtual one: 1 is real time, 0 as fast as can be.
    model, golden
        Of the virtual one: folders with the C++ of its model, and with the golden clips.

    Yields
    ------
    board, seconds
        The board, and how long there is something to hear: without end on a real one.

    Raises
    ------
    BoardError
        If there is none.
    """
    if virtual is not None:
        samples, rate = _sound(virtual, golden)
        played = VirtualBoard(samples, speed=speed, model=model)
        with played, Board(played.path) as opened_board:
            yield opened_board, len(samples) / rate
        return
    found = port or find()
    if found is None:
        raise none_found()
    with Board(found) as opened_board:
        yield opened_board, math.inf


def _sound(recording: str, folder: Path) -> tuple[np.ndarray, int]:
    """int16 samples and their rate, as the microphone of the virtual board hears them."""
    golden = Golden.read(folder)
    rate = golden.sample_rate
    if recording:
        clips = [audio.to_int16(reading.read_audio(recording, sample_rate=rate)[0])]
    else:
        clips = [clip.waveform for clip in golden.clips[:_SENTENCES]]
    return with_pauses(clips, sample_rate=rate, pause_s=_AFTER_S), rate


def listen(device: Board, *, seconds: float, picture: str | Path | None = None) -> Hearing:
    """Print what a board decides, as it comes; Ctrl-C ends it.

    Parameters
    ----------
    seconds
        Of the board's time.
    picture
        PNG file to draw what was heard into.
    """
    hearing = Hearing(device.status["sample_rate"])
    name, engine = device.status["board"], device.status["engine"]
    print(f"{name} on {device.path}, engine {engine}: listening, ^C ends it")
    told = 0
    with contextlib.suppress(KeyboardInterrupt):
        for messages in device.stream(seconds):
            hearing.take(messages)
            for decision in hearing.decisions[told:]:
                print(_said(decision), flush=True)
            told = len(hearing.decisions)
    print(f"{hearing.seconds:.0f} s heard, {told} decisions, {hearing.lost} samples lost")
    if picture:
        _draw(Path(picture), hearing, device)
    return hearing


def _said(decision: dict[str, Any]) -> str:
    return (
        f"{decision['second']:8.1f} s  {decision['label']:<12} "
        f"{max(decision['probabilities']):4.0%}  {decision['colour']}"
    )


def _draw(path: Path, hearing: Hearing, device: Board) -> None:
    from ser_tinyml.plots import live, style

    style.use()
    title = f"{device.status['board']}, engine {device.status['engine']}"
    style.save(live.listening(hearing, device, title=title), path)


def report(device: Board, *, golden: Path = GOLDEN, output: str | Path | None = None) -> bool:
    """Test a board with the golden clips of its model, and print the report, which is Markdown.

    Returns
    -------
    good
        Whether every answer is the one that is expected.
    """
    rows = reports.check_golden(device, golden)
    text = reports.report(device, rows)
    print(text)
    if output:
        files.write_text(output, text)
    return all(row["same_outputs"] for row in rows)
