"""The probes tell a net that hears the corpus from one that hears the emotion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ser_tinyml.evaluation import probe
from ser_tinyml.files import DataError

CLASSES = ["neutral", "surprise", "unpleasant"]


def rows() -> pd.DataFrame:
    """CREMA-D without surprise, and two corpora that have every class, one of two speakers."""
    parts = [("CREMA-D", 6, [0, 2]), ("RAVDESS", 4, [0, 1, 2]), ("TESS", 2, [0, 1, 2])]
    lines = [
        (corpus, f"{corpus}-{speaker}", label)
        for corpus, speakers, labels in parts
        for speaker in range(speakers)
        for label in labels
        for _ in range(20)
    ]
    return pd.DataFrame(lines, columns=["corpus", "speaker", "label_id"])


def features(table: pd.DataFrame, *, corpus: float, speaker: float = 0) -> np.ndarray:
    """Noise [n, 5, 4]; one input has an offset by corpus, another one by speaker."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(table), 5, 4))
    values[:, :, 0] += corpus * pd.factorize(table["corpus"])[0][:, None]
    values[:, :, 1] += speaker * rng.normal(size=99)[pd.factorize(table["speaker"])[0]][:, None]
    return values


def run(table: pd.DataFrame, values: np.ndarray) -> dict:
    return probe.corpus_probe(values, table["corpus"], groups=table["speaker"])


def test_an_offset_by_corpus_is_heard() -> None:
    scores = run(rows(), features(rows(), corpus=4))
    assert scores["classes"] == ["CREMA-D", "RAVDESS", "TESS"]
    assert scores["uar"] > 0.99 > scores["majority_accuracy"] == pytest.approx(240 / 600)
    assert scores["n"] == 600


def test_a_corpus_that_differs_in_its_spread_is_heard() -> None:
    values = features(rows(), corpus=0)
    values[(rows()["corpus"] == "TESS").to_numpy()] *= 4
    assert run(rows(), values)["recall"]["TESS"] > 0.95


def test_where_only_speakers_differ_the_corpus_is_not_heard() -> None:
    """With a speaker on both sides, the line would know the corpus by the voice."""
    scores = run(rows(), features(rows(), corpus=0, speaker=10))
    assert scores["uar"] < 0.5


def test_the_probe_needs_two_speakers_a_corpus() -> None:
    table = rows().assign(speaker=lambda t: t["speaker"].replace("TESS-1", "TESS-0"))
    with pytest.raises(DataError, match="'TESS': 1"):
        run(table, features(table, corpus=1))
    with pytest.raises(DataError, match="two corpora"):
        run(table[:240], features(table[:240], corpus=1))
    with pytest.raises(DataError, match="599"):
        probe.corpus_probe(features(table, corpus=1), table["corpus"][1:], groups=table["speaker"])


def test_hearing_only_the_corpus_gets_a_constant_answers_uar() -> None:
    table = rows()
    answers = table["corpus"].map({"CREMA-D": 2, "RAVDESS": 1, "TESS": 0})
    scores = probe.within_corpus(table, answers, classes=CLASSES).set_index("corpus")
    alone = scores.drop("all")
    assert scores["classes"].tolist() == [2, 3, 3, 3]
    assert scores["n"].tolist() == [240, 240, 120, 600]
    np.testing.assert_allclose(alone["uar"], [1 / 2, 1 / 3, 1 / 3])
    np.testing.assert_allclose(alone["corpus_detector_uar"], alone["uar"])
    # On the pool: CREMA-D has half of unpleasant, RAVDESS 2/3 of surprise, TESS 1/6 of neutral and
    # 1/3 of surprise, which it had better answer.
    assert scores.loc["all", "uar"] == pytest.approx((1 / 2 + 2 / 3 + 1 / 6) / 3)
    assert scores.loc["all", "corpus_detector_uar"] == pytest.approx((1 + 1 / 2) / 3)


def test_the_best_corpus_detector_is_the_best_of_all() -> None:
    table = rows()[::7].reset_index(drop=True)  # an uneven table
    answers = pd.DataFrame({"a": np.repeat(range(3), 9), "b": np.tile(np.repeat(range(3), 3), 3)})
    answers["c"] = np.tile(range(3), 9)
    best = max(
        probe.within_corpus(
            table,
            table["corpus"].map(dict(zip(["CREMA-D", "RAVDESS", "TESS"], answer, strict=True))),
            classes=CLASSES,
        )["uar"].iloc[-1]
        for answer in answers.to_numpy()
    )
    found = probe.within_corpus(table, table["label_id"], classes=CLASSES)
    assert found["corpus_detector_uar"].iloc[-1] == pytest.approx(best)
    assert (found["uar"] == 1).all()


def test_a_class_that_is_ruled_out_by_corpus_is_seen() -> None:
    table = rows()
    hears = np.where(np.arange(len(table)) % 5 == 0, 1, table["label_id"])
    cheats = np.where(table["corpus"] == "CREMA-D", table["label_id"], hears)
    fair = probe.surprise_on(table, hears, classes=CLASSES).set_index("corpus")
    unfair = probe.surprise_on(table, cheats, classes=CLASSES).set_index("corpus")
    assert fair.index[0] == "CREMA-D" and fair["has_class"].tolist() == [False, True, True]
    assert fair["n"].tolist() == [240, 160, 80]
    np.testing.assert_allclose(fair["false_positive_rate"], 0.2)
    assert unfair.loc["CREMA-D", ["answered", "false_positive_rate"]].tolist() == [0, 0]
    np.testing.assert_allclose(unfair["false_positive_rate"][1:], 0.2)
    assert np.isnan(fair.loc["CREMA-D", "recall"]) and (fair["recall"][1:] == 1).all()


def test_corpora_that_lack_the_class_come_first() -> None:
    table = rows().replace({"corpus": {"CREMA-D": "Z"}})
    scores = probe.surprise_on(table, table["label_id"], classes=CLASSES)
    assert scores["corpus"].tolist() == ["Z", "RAVDESS", "TESS"]


def test_wrong_input_is_named() -> None:
    with pytest.raises(DataError, match="joy"):
        probe.surprise_on(rows(), rows()["label_id"], classes=CLASSES, label="joy")
    with pytest.raises(DataError, match="600, found 2"):
        probe.surprise_on(rows(), [0, 1], classes=CLASSES)
