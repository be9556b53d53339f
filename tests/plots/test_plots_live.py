"""The pictures of a board that listens say what they show."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ser_tinyml.plots import live


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_times_too_short_to_be_seen_are_written_beside_their_bars() -> None:
    micros = {"features_us": np.full(5, 52.0), "engine_us": np.full(5, 310.0)}
    (axis,) = live.step_times(**micros, step_ms=64, board="computer").axes
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([0.052, 0.31, 64])
    assert [text.get_text().strip() for text in axis.texts] == ["0.052 ms", "0.31 ms", "64 ms"]
    assert axis.get_title() == "One step on the computer: busy for 0.362 of 64 ms, 0.57 %"


def test_a_board_that_measured_nothing_was_not_busy() -> None:
    nothing = np.array([])
    (axis,) = live.step_times(nothing, nothing, step_ms=64, board="board").axes
    assert [bar.get_width() for bar in axis.patches] == [0, 0, 64]


def test_the_legend_of_what_was_spoken_says_that_it_was_meant() -> None:
    _, axis = plt.subplots()
    live.draw_spoken(axis, [(0.0, 1.0, "happy")], start=0.0, end=2.0)
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["what was meant"]


def test_what_was_cut_off_at_an_edge_is_named_inside_the_frame() -> None:
    figure, axis = plt.subplots(figsize=(8, 2))
    spoken = [
        (0.0, 3.2, "surprise"),
        (5.0, 6.0, "happy"),
        (12.8, 15.0, "sad"),
        (20.0, 21.0, "fear"),
    ]
    live.draw_spoken(axis, spoken, start=3.0, end=13.0)
    axis.set_xlim(3.0, 13.0)
    figure.canvas.draw()
    assert [text.get_text() for text in axis.texts] == ["surprise", "happy", "sad"]
    frame = axis.get_window_extent()
    for text in axis.texts:
        assert (
            frame.x0 - 1
            <= text.get_window_extent().x0
            <= text.get_window_extent().x1
            <= frame.x1 + 1
        )
