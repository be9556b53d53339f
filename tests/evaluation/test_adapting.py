"""Speakers give clips and are tested on others: who gives what, and what is counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_firmware as small

from ser_tinyml.evaluation.cross_validation import Finished
from ser_tinyml.evaluation.voice import adapting
from ser_tinyml.files import DataError
from ser_tinyml.tflite import answer_layer
from ser_tinyml.tflite.answer_layer import HiddenStatistics
from ser_tinyml.training.adaptation import AdaptationConfig


def clips(*, sentences: int, repeats: int = 1, classes: int = 3) -> pd.DataFrame:
    """Of one speaker: every sentence in every class, so many times."""
    return pd.DataFrame(
        [
            {"sentence": f"s{sentence}", "label_id": label}
            for sentence in range(sentences)
            for label in range(classes)
            for _ in range(repeats)
        ]
    )


def test_other_sentences_are_tested_where_there_are_enough():
    table = clips(sentences=6, repeats=2)
    given, tested = adapting.draw(table, 3, np.random.default_rng(0))
    assert table["label_id"].iloc[given].value_counts().to_dict() == {0: 3, 1: 3, 2: 3}
    heard, asked = set(table["sentence"].iloc[given]), set(table["sentence"].iloc[tested])
    assert not heard & asked and len(heard) == 2 and len(asked) == 4
    assert len(tested) == 4 * 3 * 2


def test_other_clips_are_tested_where_there_are_too_few_sentences():
    table = clips(sentences=2, repeats=4)
    given, tested = adapting.draw(table, 5, np.random.default_rng(0))
    assert table["label_id"].iloc[given].value_counts().to_dict() == {0: 5, 1: 5, 2: 5}
    assert sorted([*given, *tested]) == list(range(len(table)))


def test_two_clips_of_each_class_are_kept_for_the_test():
    table = clips(sentences=1, repeats=6)
    given, tested = adapting.draw(table, 10, np.random.default_rng(0))
    assert table["label_id"].iloc[tested].value_counts().to_dict() == {0: 2, 1: 2, 2: 2}
    assert len(given) == 12


def test_of_two_clips_one_is_given_and_of_one_none():
    table = pd.concat([clips(sentences=1, repeats=2, classes=2), clips(sentences=1, classes=3)[2:]])
    given, tested = adapting.draw(table, 3, np.random.default_rng(0))
    assert table["label_id"].iloc[given].tolist() == [0, 1]
    assert sorted(table["label_id"].iloc[tested]) == [0, 1, 2]


@pytest.fixture(scope="module")
def fold() -> adapting.Fold:
    """Three speakers, of whom one is odd: classes 0 and 1 sound like each other's."""
    tflite = small.release().tflite
    layer = answer_layer.read(tflite)
    rng = np.random.default_rng(4)
    directions = np.linalg.pinv(layer.kernel)  # towards each class [classes, hidden]
    table, hidden = [], []
    speakers = (("RAVDESS", "RAVDESS-01"), ("RAVDESS", "RAVDESS-02"), ("TESS", "TESS-OAF"))
    for corpus, speaker in speakers:
        for label in range(3):
            heard = {0: 1, 1: 0}.get(label, label) if speaker == "RAVDESS-01" else label
            for sentence in range(12):
                table.append((corpus, speaker, f"s{sentence}", label))
                hidden.append(2 * directions[heard] + rng.normal(0, 0.05, directions.shape[1]))
    columns = ["corpus", "speaker", "sentence", "label_id"]
    frame, values = pd.DataFrame(table, columns=columns), np.array(hidden)
    known = HiddenStatistics.of(values, frame["label_id"].to_numpy())
    trial = Finished(Path("trial"), 3, 1, list(small.LABELS))
    return adapting.Fold(trial, frame, values, tflite, known)


@pytest.fixture(scope="module")
def scores(fold) -> pd.DataFrame:
    config = AdaptationConfig(pull=0.05)
    return adapting.scores(fold, clips_a_class=(1, 5), draws=2, config=config)


def test_every_speaker_number_and_draw_has_a_line(scores):
    assert len(scores) == 3 * 2 * 2
    assert set(scores["fold"]) == {3} and set(scores["seed"]) == {1}
    assert scores.groupby("clips_a_class")["given"].unique().to_dict() == {1: [3], 5: [15]}


def test_who_is_odd_gains_and_the_others_pay(scores):
    odd = scores[(scores["speaker"] == "RAVDESS-01") & (scores["clips_a_class"] == 5)]
    assert (odd["before"] < 0.5).all() and (odd["after"] > odd["before"] + 0.3).all()
    assert (odd["others"] < 0).all()
    plain = scores[scores["speaker"] == "RAVDESS-02"]
    assert (plain["after"] >= plain["before"] - 0.01).all()


def test_speakers_of_single_clips_have_nothing_to_give(fold):
    first = fold.clips.drop_duplicates(["speaker", "label_id"])
    few = replace(fold, clips=first.reset_index(drop=True), hidden=fold.hidden[first.index])
    with pytest.raises(DataError, match="expected two clips of a class"):
        adapting.scores(few)


def test_the_same_speakers_give_the_same_clips_again(fold, scores):
    config = AdaptationConfig(pull=0.05)
    again = adapting.scores(fold, clips_a_class=(1, 5), draws=2, config=config)
    pd.testing.assert_frame_equal(again, scores)


def test_the_summary_is_a_mean_over_speakers_in_points():
    table = pd.DataFrame(
        {
            "clips_a_class": 5,
            "corpus": ["RAVDESS", "RAVDESS", "RAVDESS", "SAVEE", "TESS"],
            "speaker": ["a", "a", "b", "c", "d"],
            "before": 0.5,
            "after": [0.6, 0.7, 0.55, 0.6, 0.9],
            "others": [-0.01, -0.03, 0.0, 0.0, -0.05],
        }
    )
    found = adapting.summary(table).loc[5]
    assert found["RAVDESS"] == pytest.approx(10.0)  # a gains 15, b 5
    assert found[adapting.SPEAKERS] == pytest.approx(10.0)  # TESS is not in the pool
    assert found[adapting.CORPORA] == pytest.approx(10.0)
    assert found["TESS"] == pytest.approx(40.0)
    assert found["other speakers"] == pytest.approx(-100 * (0.02 + 0.05) / 4)
    assert list(found.index[:3]) == ["RAVDESS", "SAVEE", "TESS"]


def test_a_ceiling_is_of_the_very_clips_that_it_heard(fold):
    found = adapting.ceiling(fold)
    assert set(found["speaker"]) == set(fold.clips["speaker"])
    odd = found[found["speaker"] == "RAVDESS-01"].iloc[0]
    assert odd["after"] > odd["before"] + 0.3
    assert (found["after"] >= found["before"] - 0.01).all()
