"""Effect sizes and shares of variance: known effects are found, and drawn."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from small_tables import MOVED, made_up

from ser_tinyml.apps.tables import effects, pictures

FEW = {"resamples": 100, "seed": 0}


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def clips() -> pd.DataFrame:
    return effects.as_heard(made_up({"RAVDESS": 12, "SAVEE": 4, "TESS": 2}))


def test_levels_and_pitch_are_put_on_the_scales_of_the_ear() -> None:
    table = pd.DataFrame({"peak": [1.0, 0.1], "rms": [0.1, 0.01], "f0_median_hz": [100.0, 200.0]})
    heard = effects.as_heard(table)
    assert heard["peak_db"].tolist() == pytest.approx([0, -20])
    assert heard["rms_db"].tolist() == pytest.approx([-20, -40])
    assert heard["f0_median_st"].tolist() == pytest.approx([0, 12])


def test_an_effect_is_found_with_its_interval(clips) -> None:
    found = effects.effects(clips, measures=["hnr_db"], **FEW).set_index("emotion")
    assert [*found.index] == ["sad", "angry"] and (found["speakers"] == 18).all()
    for emotion, line in found.iterrows():
        assert line["d"] == pytest.approx(MOVED[emotion], abs=0.25)
        assert line["low"] < line["d"] < line["high"] < line["low"] + 0.8
        assert line["low"] < MOVED[emotion] < line["high"]
        assert line["d SAVEE"] == pytest.approx(MOVED[emotion], abs=0.4)


def test_who_speaks_and_how_loud_does_not_count(clips) -> None:
    louder = clips["hnr_db"] + 1000 * (clips["speaker"] == "RAVDESS-3")
    one, other = (
        effects.effects(table, measures=["hnr_db"], **FEW)
        for table in (clips, clips.assign(hnr_db=louder))
    )
    pd.testing.assert_frame_equal(one, other, rtol=1e-6)


def test_few_people_give_no_interval_and_few_clips_no_effect(clips) -> None:
    two = effects.effects(clips[clips["corpus"] == "TESS"], measures=["hnr_db"], **FEW)
    assert two["d"].notna().all() and two[["low", "high"]].isna().all(axis=None)
    first = clips.groupby(["speaker", "emotion"]).head(1)
    once = effects.effects(first, measures=["hnr_db"], **FEW)
    assert once["d"].isna().all() and len(once) == 2
    assert effects.headline(once, pd.DataFrame(columns=["measure", "part", "share"])) == []


def test_the_first_emotion_stands_in_for_neutral(clips) -> None:
    found = effects.effects(clips[clips["emotion"] != "neutral"], measures=["hnr_db"], **FEW)
    (line,) = found.to_dict("records")
    assert (line["emotion"], line["against"]) == ("angry", "sad")
    assert line["d"] == pytest.approx(3, abs=0.3)


def test_shares_add_up_to_the_whole_variance(clips) -> None:
    apart = clips["hnr_db"] + 4 * (clips["corpus"] == "SAVEE")
    table = clips.assign(hnr_db=apart)
    parts = effects.shares(table, measures=["hnr_db"], **FEW).set_index("part")
    assert parts["share"].sum() == pytest.approx(1)
    assert (parts["low"] <= parts["high"]).all()
    # every corpus, emotion and speaker weighted alike, the variance of the clips is the same
    weight = 1 / table.groupby(["corpus", "emotion", "speaker"])["hnr_db"].transform("size")
    weight /= table.groupby("corpus")["speaker"].transform("nunique")
    mean = np.average(table["hnr_db"], weights=weight)
    total = np.average((table["hnr_db"] - mean) ** 2, weights=weight)
    centres = table.groupby(["corpus", "speaker", "emotion"])["hnr_db"].mean().groupby("corpus")
    between = centres.mean().var(ddof=0)
    assert parts.loc["corpus", "share"] == pytest.approx(between / total)
    assert parts.loc["emotion", "share"] > 5 * parts.loc["corpus × emotion", "share"]


def test_shares_are_of_emotions_that_all_have(clips) -> None:
    without = clips[(clips["corpus"] != "TESS") | (clips["emotion"] != "angry")]
    everywhere = effects.shares(without, measures=["hnr_db"], **FEW)
    two = effects.shares(clips[clips["emotion"] != "angry"], measures=["hnr_db"], **FEW)
    pd.testing.assert_frame_equal(everywhere, two)
    nothing = without[(without["corpus"] != "SAVEE") | (without["emotion"] != "sad")]
    assert effects.shares(nothing, measures=["hnr_db"], **FEW).empty


def test_the_headline_names_the_largest(clips) -> None:
    louder = clips.assign(intensity_db=clips["intensity_db"] + 50 * (clips["corpus"] == "SAVEE"))
    measures = ["hnr_db", "intensity_db"]
    moved = effects.effects(louder, measures=measures, **FEW)
    parts = effects.shares(louder, measures=measures, **FEW)
    lines = effects.headline(moved, parts)
    assert "angry against neutral: d +" in lines[0]
    assert lines[1].startswith("the corpus explains") and " of intensity," in lines[1]
    assert lines[2].startswith("the emotion explains") and " of HNR," in lines[2]


@pytest.mark.filterwarnings("error")
def test_pictures_show_every_corpus_emotion_and_measure(clips) -> None:
    shown = pictures.distribution(clips).axes[0]
    assert [t.get_text() for t in shown.get_yticklabels()] == ["TESS", "SAVEE", "RAVDESS"]
    assert sum(bar.get_width() for bar in shown.patches) == pytest.approx(300)
    assert len(pictures.levels(clips).axes) == 2
    grid = pictures.voice(clips.assign(sex=clips["sex"].replace("male", ""))).axes
    assert [axes.get_ylabel() for axes in grid if axes.get_ylabel()] == [
        "female, 9 speakers",
        "not known, 9 speakers",
    ]
    dots = sum(len(line.get_xdata()) for line in pictures.speakers(clips).axes[0].lines)
    assert dots == 18
    figure = pictures.effects(effects.effects(clips, **FEW))
    assert [axes.get_title() for axes in figure.axes][0] == "peak"
    assert sum(axes.axison for axes in figure.axes) == len(effects.MEASURES)
    axes = pictures.shares(effects.shares(clips, **FEW)).axes[0]
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(
        100 * len(effects.MEASURES)
    )


@pytest.mark.filterwarnings("error")
def test_pictures_stand_what_is_missing(clips) -> None:
    few = clips.groupby(["speaker", "emotion"]).head(1)
    few = few[(few["corpus"] != "TESS") | (few["emotion"] != "sad")].copy()
    few.loc[few["speaker"] == "SAVEE-0", ["f0_median_hz", "f0_median_st"]] = np.nan
    for draw in (pictures.distribution, pictures.levels, pictures.voice, pictures.speakers):
        draw(few).canvas.draw()
    pictures.effects(effects.effects(few, **FEW)).canvas.draw()
