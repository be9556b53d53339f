"""The pictures of training show what was scored."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from ser_tinyml import metrics
from ser_tinyml.plots import training as plots


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_each_speaker_is_held_against_one_answer_over_the_classes_of_that_speaker() -> None:
    rows = pd.DataFrame(
        [("CREMA-D", "CREMA-D-1001", label) for label in (0, 1, 1)]
        + [("RAVDESS", "RAVDESS-01", label) for label in (0, 1, 2, 2)],
        columns=["corpus", "speaker", "label_id"],
    )
    answers = rows["label_id"].to_numpy().copy()
    answers[1] = 0
    table = metrics.score_table(rows, answers, classes=["a", "b", "c"], by="speaker")
    table = table[table["speaker"] != metrics.POOLED]
    table["corpus"] = ["CREMA-D", "RAVDESS"]
    (axis,) = plots.per_speaker(table).axes
    assert [bar.get_height() for bar in axis.patches] == [0.75, 1]
    (dotted,) = axis.collections
    heights = [segment[0, 1] for segment in dotted.get_segments()]
    assert heights == pytest.approx([1 / 2, 1 / 3])
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["1001", "01"]


def test_a_class_that_nobody_speaks_is_said_to_be_missing() -> None:
    score = metrics.score([0, 1, 1], [0, 1, 0], classes=["a", "b", "c"])
    (axis,) = plots.confusions({"CREMA-D": score}, classes=["a", "b", "c"]).axes
    texts = [text.get_text() for text in axis.texts]
    assert texts == ["100", "0", "0", "50", "50", "0", "no such clips"]


def test_a_label_is_above_what_teachers_answer_about_its_clip() -> None:
    classes = ["neutral", "happy"]
    clips = pd.DataFrame({"speaker": ["A", "B"], "label": ["happy", "neutral"]})
    answers = np.array([[0.25, 0.75], [0.5, 0.5]])
    figure = plots.teachers(clips, answers, classes=classes)
    assert [axis.get_title() for axis in figure.axes] == ["A", "B"]
    for axis, wanted in zip(figure.axes, [[0, 100, 25, 75], [100, 0, 50, 50]], strict=True):
        assert [bar.get_width() for bar in axis.patches] == wanted
        above, below = (axis.transData.transform((0, y))[1] for y in (0, 1))
        assert above > below
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == ["label", "teachers"]
