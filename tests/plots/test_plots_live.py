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
    assert [text.get_text().strip() for text in axis.texts] == ["0.05 ms", "0.31 ms", "64 ms"]
    assert axis.get_title() == "One step on the computer: busy for 0.36 of 64 ms, 0.57 %"


def test_a_board_that_measured_nothing_was_not_busy() -> None:
    nothing = np.array([])
    (axis,) = live.step_times(nothing, nothing, step_ms=64, board="board").axes
    assert [bar.get_width() for bar in axis.patches] == [0, 0, 64]


def test_the_legend_of_what_was_spoken_says_that_it_was_meant() -> None:
    _, axis = plt.subplots()
    live.draw_spoken(axis, [(0.0, 1.0, "happy")])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["what was meant"]
