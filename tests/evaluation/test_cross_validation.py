"""Scores of trials made by hand, whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_trials as small

from ser_tinyml.data import folds
from ser_tinyml.evaluation import cross_validation, trials
from ser_tinyml.evaluation.trials import POOL, Material, Settings
from ser_tinyml.features.rows import RowPlan


def always(label_id: int) -> np.ndarray:
    """Answers that are always the same."""
    return small.sure(np.full(len(small.table()), label_id))


def right_but(corpus: str, label_id: int) -> np.ndarray:
    """Answers that are right, but for a corpus, where they are always the same."""
    rows = small.table()
    return small.sure(rows["label_id"].where(rows["corpus"] != corpus, label_id))


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """Fold 0: all right but RAVDESS, Keras all right; fold 1: always the first class."""
    rows = small.table()
    return [
        small.write(
            tmp_path / "a",
            test=right_but("RAVDESS", 1),
            float_test=small.sure(rows["label_id"]),
            threshold=0.7,
        ),
        small.write(tmp_path / "b", test=always(0), fold=1, threshold=0.9),
    ]


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Material:
    return small.material(tmp_path_factory.mktemp("recordings"))


def test_every_fold_and_seed_has_its_settings_seed_by_seed() -> None:
    base = Settings(rows=RowPlan(protocol="development"))
    found = cross_validation.fold_settings(base, seeds=[4, 5])
    assert [(one.rows.seed, one.rows.test_fold) for one in found] == [
        (seed, fold) for seed in (4, 5) for fold in range(folds.N_FOLDS)
    ]
    assert all(one.rows.protocol == "speaker" for one in found)
    assert {one.recipe.training.seed for one in found} == {6, 7}  # 0 and 1 are the last teachers'
    (one,) = cross_validation.fold_settings(Settings(), seeds=[0], test_folds=[3])
    assert one.rows.test_fold == 3


def test_scores_are_of_every_part_in_either_precision(two) -> None:
    scores = cross_validation.scores(two)
    assert len(scores) == 2 * 2 * 5  # folds, kinds, parts
    line = scores.set_index(["fold", "kind", "part"])
    assert line.loc[(0, "int8", "RAVDESS"), "uar"] == pytest.approx(1 / 3)
    assert line.loc[(0, "float", "RAVDESS"), "uar"] == 1
    assert line.loc[(0, "int8", "TESS"), "uar"] == 1
    # Of the pool, RAVDESS is half of the first two classes and two thirds of the last.
    recalls = line.loc[(0, "int8", POOL), ["recall_calm", "recall_cross", "recall_glad"]]
    assert list(recalls) == pytest.approx([1 / 2, 1, 1 / 3])
    assert line.loc[(1, "int8", "CREMA-D"), "uar"] == 1 / 2
    assert np.isnan(float(line.loc[(1, "int8", "CREMA-D"), "recall_glad"]))


def test_a_summary_is_over_folds_and_seeds(two, tmp_path) -> None:
    second = small.write(tmp_path / "c", test=right_but("RAVDESS", 1), seed=1)
    summary = cross_validation.summary(cross_validation.scores([*two, second]))
    assert list(summary.index) == [POOL, "RAVDESS", "SAVEE", "CREMA-D", "TESS"]
    savee = summary.loc["SAVEE"]
    assert savee["uar"] == pytest.approx((1 + 1 / 3 + 1) / 3)
    assert savee["uar_std"] == pytest.approx(np.std([1, 1 / 3, 1], ddof=1))
    assert savee["folds"] == 2 and savee["n"] == 3 * 6 // 2  # clips a seed
    ravdess = summary.loc["RAVDESS"]
    assert ravdess["uar"] == pytest.approx(1 / 3)
    assert ravdess["float_uar"] == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)
    assert ravdess["majority_uar"] == pytest.approx(1 / 3)
    as_float = cross_validation.summary(cross_validation.scores(two), kind="float")
    assert as_float.loc["RAVDESS", "uar"] == pytest.approx((1 + 1 / 3) / 2)


def test_answers_of_all_trials_in_one_table_without_tess(two) -> None:
    answers = cross_validation.pooled(two)
    rows = small.table()
    assert len(answers) == 2 * (rows["corpus"] != "TESS").sum()
    assert "TESS" not in set(answers["corpus"])
    assert answers.groupby("fold")["threshold"].first().to_dict() == {0: 0.7, 1: 0.9}
    found = trials.probabilities(answers)
    np.testing.assert_allclose(found[len(found) // 2 :].argmax(axis=1), 0)


def test_unsure_is_held_against_each_trials_own_threshold(two) -> None:
    """Both are 0.8 sure: the first answers all (0.7), the second nothing (0.9)."""
    answers = cross_validation.pooled(two)
    found = cross_validation.unsure(answers)
    assert list(found.index) == ["fold 0, seed 0", "fold 1, seed 0", "all"]
    assert list(found["coverage"]) == [1, 0, 0.5]
    half = answers[answers["fold"] == 0]
    right = (trials.probabilities(half).argmax(axis=1) == half["label_id"]).mean()
    first, second, both = (found.loc[name] for name in found.index)
    assert first["accuracy"] == first["answered_accuracy"] == both["answered_accuracy"] == right
    assert np.isnan(second["answered_accuracy"])
    assert first["ece"] == pytest.approx(abs(right - 0.8))
    assert both["accuracy"] == pytest.approx((right + second["accuracy"]) / 2)


def test_the_corpora_are_told_apart_by_clean_features(material, monkeypatch, tmp_path) -> None:
    """Features that are the corpus itself, and wrong in every changed copy."""
    clips = material.clips[material.clips["corpus"].isin(["RAVDESS", "SAVEE"])]
    clips = clips.assign(speaker=clips["key"])  # a speaker a clip: each corpus has several
    number = {"RAVDESS": 0.0, "SAVEE": 1.0}
    table = pd.DataFrame(
        {"key": clips["key"].repeat(2), "variant": ["clean", "random_1"] * len(clips)}
    )
    values = clips["corpus"].map(number).repeat(2).to_numpy(copy=True)
    values[1::2] = 0.5
    np.save(tmp_path / "features.npy", np.tile(values[:, None, None], (1, 4, 2)))
    monkeypatch.setattr(Material, "arrays", lambda self, settings: (table, tmp_path))
    found = cross_validation.corpus_probe(
        Material(clips, material.recordings, tmp_path), Settings()
    )
    assert found == {"uar": 1.0, "majority_uar": 0.5}


def test_predictions_are_of_every_clip_of_every_trial(two) -> None:
    """Both are 0.8 sure: the first answers (0.7), the second does not (0.9)."""
    found = cross_validation.predictions(two)
    rows = small.table()
    assert len(found) == 2 * len(rows) and "TESS" in set(found["corpus"])
    first, second = (found[found["fold"] == fold] for fold in (0, 1))
    assert list(first["clip"]) == list(second["clip"]) == list(rows["key"])
    assert list(first["truth"]) == list(rows["label"])
    assert first["answered"].all() and not second["answered"].any()
    assert set(second["answer"]) == {small.CLASSES[0]} and set(second["seed"]) == {0}
    wrong = first[first["answer"] != first["truth"]]
    assert set(wrong["corpus"]) == {"RAVDESS"}


def test_choices_hold_the_folds_they_were_made_on_against_the_others(two, tmp_path) -> None:
    """Folds 0 and 1 are development folds; in fold 2 all is right, in fold 3 all the first class.

    RAVDESS has two speakers, who are right alike: no chance is in it. SAVEE has one.
    """
    others = [
        small.write(tmp_path / "c", test=small.sure(small.table()["label_id"]), fold=2),
        small.write(tmp_path / "d", test=always(0), fold=3),
    ]
    found = cross_validation.choices(cross_validation.predictions([*two, *others]))
    assert list(found.index)[0] == POOL
    ravdess, savee = found.loc["RAVDESS"], found.loc["SAVEE"]
    assert ravdess["development folds"] == pytest.approx(1 / 3)
    assert ravdess["other folds"] == pytest.approx((1 + 1 / 3) / 2)
    assert ravdess["difference"] == pytest.approx(1 / 3 - 2 / 3)
    assert ravdess["standard error"] == pytest.approx(0)
    assert savee["difference"] == pytest.approx(0) and np.isnan(savee["standard error"])
    assert found.loc[POOL, "standard error"] > 0


def test_folds_of_one_kind_alone_say_nothing_of_choices(two) -> None:
    assert cross_validation.choices(cross_validation.predictions(two)).empty
