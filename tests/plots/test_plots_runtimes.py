"""Bars of nets that ran side by side."""

from __future__ import annotations

import pandas as pd

from ser_tinyml.plots import runtimes


def test_a_race_shows_the_median_of_each_and_how_many_times_as_fast_it_is() -> None:
    table = pd.DataFrame(
        {
            "name": ["Keras", "OpenVINO int8"],
            "milliseconds": [4.0, 1.0],
            "fastest": [3.0, 0.9],
            "slowest": [5.0, 1.5],
            "times": [1.0, 4.0],
            "arithmetic": ["f32", "int8, f32"],
        }
    )
    (axis,) = runtimes.race(table).axes
    assert [bar.get_width() for bar in axis.patches] == [4.0, 1.0]
    assert [text.get_text().strip() for text in axis.texts] == ["1.0 times", "4.0 times"]
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "Keras (f32)",
        "OpenVINO int8 (int8, f32)",
    ]
