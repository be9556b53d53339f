"""Pictures of stage 02: who trains and who tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from make_audio import noise

from ser_tinyml.data.corpus import OTHER
from ser_tinyml.features import FeatureConfig
from ser_tinyml.plots import signals, style
from ser_tinyml.plots.signals import SPLIT_COLOURS


def rows() -> pd.DataFrame:
    """Two corpora, one of one's own; two versions of every training clip."""
    clips = [
        *[("RAVDESS", "01", OTHER, -1, "train", n) for n in range(3)],
        *[("own", "anna", "keen", 1, "train", n) for n in range(4)],
        *[("own", "anna", "bored", 0, "train", n) for n in range(2)],
        *[("own", "bob", "keen", 1, "test", n) for n in range(5)],
        *[("own", "cid", "$$", 2, "validation", n) for n in range(2)],
    ]
    columns = ["corpus", "speaker", "label", "label_id", "split", "n"]
    table = pd.DataFrame(clips, columns=columns)
    table["speaker"] = table["corpus"] + "-" + table["speaker"]
    table["key"] = table[["speaker", "label", "n"]].astype(str).agg("/".join, axis=1)
    return pd.concat([table, table[table["split"] == "train"]], ignore_index=True)


def heights(axis, split: str) -> list[int]:
    colour = SPLIT_COLOURS[split].lower()
    bars = [bar for bar in axis.patches if _hex(bar) == colour]
    return [int(bar.get_height()) for bar in sorted(bars, key=lambda bar: bar.get_x())]


def _hex(bar) -> str:
    return "#" + "".join(f"{round(255 * value):02x}" for value in bar.get_facecolor()[:3])


def test_every_speaker_and_every_class_is_shown_on_its_side():
    style.use()
    figure = signals.split_overview(rows())
    figure.canvas.draw()  # a label that looks like a formula does not stop it
    corpus, own, classes = figure.axes
    assert [axis.get_title() for axis in (corpus, own)] == ["RAVDESS", "own"]
    assert [label.get_text() for label in own.get_xticklabels()] == ["anna", "bob", "cid"]
    assert heights(corpus, "train") == [3]
    assert heights(own, "train") == [6, 0, 0]
    assert heights(own, "test") == [0, 5, 0] and heights(own, "validation") == [0, 0, 2]
    names = [label.get_text() for label in classes.get_xticklabels()]
    assert names == ["bored", "keen", "$$", OTHER]
    assert heights(classes, "train") == [2, 4, 0, 3]
    assert np.sum(heights(classes, "test")) == 5


def test_spectrograms_lie_in_rows_and_empty_places_are_hidden() -> None:
    levels = {name: np.full((4, 6), 0.5) for name in ("a", "b", "c", "d")}
    figure = signals.spectrograms(levels, seconds=3.0)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title(loc="left") for axis in shown] == ["a", "b", "c", "d"]
    assert all(axis.images[0].get_extent() == [0, 3.0, 0, 4] for axis in shown)
    assert len(figure.axes) == 6


@pytest.mark.parametrize(
    ("seconds", "lines", "heard"),
    [(1.0, 1, "from the dashed line on"), (9.0, 2, "what is between the dashed lines")],
)
def test_the_second_dashed_line_is_there_where_sound_goes_on_behind_it(seconds, lines, heard):
    config = FeatureConfig(name="test")
    samples = noise(seed=1, n=round(seconds * config.sample_rate))
    figure = signals.clip_to_features(samples, config, title="noise", unprepared_s=seconds)
    bands = figure.axes[1]
    assert len(bands.lines) == lines
    assert bands.get_title() == f"log mel bands; the net hears {heard}"
