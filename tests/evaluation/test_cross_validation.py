"""Scores of trials made by hand, whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_firmware
import small_trials as small

from ser_tinyml import features
from ser_tinyml.data import folds
from ser_tinyml.evaluation import cross_validation, trials
from ser_tinyml.evaluation.trials import POOL, Material, Settings
from ser_tinyml.files import DataError
from ser_tinyml.sound import degrade
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

CONDITIONS = {name: degrade.CONDITIONS[name] for name in ("clean", "white 0 dB")}


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


@pytest.fixture(scope="module")
def heard(tmp_path_factory) -> Path:
    """A trial whose answers to a test are those of its model."""
    return small.write(tmp_path_factory.mktemp("trial"), test=always(0), fold=3, seed=7)


def test_every_fold_and_seed_has_its_settings_seed_by_seed() -> None:
    found = cross_validation.fold_settings(Settings(protocol="development"), seeds=[4, 5])
    assert [(one.seed, one.test_fold) for one in found] == [
        (seed, fold) for seed in (4, 5) for fold in range(folds.N_FOLDS)
    ]
    assert all(one.protocol == "speaker" for one in found)
    assert {one.training.seed for one in found} == {6, 7}  # 0 and 1 are the last teachers'
    (one,) = cross_validation.fold_settings(Settings(), seeds=[0], test_folds=[3])
    assert one.test_fold == 3


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


def test_robustness_is_what_the_model_answers_to_changed_recordings(material, heard) -> None:
    found = cross_validation.robustness(
        material, [heard], conditions=CONDITIONS, jobs=1, progress=False
    ).set_index(["condition", "part"])
    assert set(found.index.get_level_values("part")) == {POOL, "RAVDESS", "SAVEE", "CREMA-D"}
    assert set(found["fold"]) == {3} and set(found["seed"]) == {7}
    assert found.loc[("white 0 dB", POOL), ["kind", "strength"]].to_list() == ["white", 0]
    rows = trials.answers(heard)
    rows = rows[rows["corpus"] != "TESS"]
    release = small_firmware.release()
    runtime = TfliteMicroRuntime(release.tflite)
    for name in CONDITIONS:
        inputs = np.stack(
            [
                features.waveform_features(
                    degrade.degrade(samples, name, rate=degrade.RATE, seed=0, key=key),
                    release.config,
                )
                for key, samples in cross_validation.recordings_of(material, rows)
            ]
        )
        answers = runtime.predict(release.normalisation.apply(inputs)).argmax(axis=1)
        expected = (answers == rows["label_id"]).mean()
        assert found.loc[(name, POOL), "accuracy"] == pytest.approx(expected)


def test_robustness_that_is_kept_is_not_computed_again(material, heard, monkeypatch) -> None:
    options = {"conditions": CONDITIONS, "jobs": 1, "progress": False}
    first = cross_validation.robustness(material, [heard], **options)
    monkeypatch.setattr(cross_validation, "_answer_degraded", lambda *task: 1 / 0)
    pd.testing.assert_frame_equal(cross_validation.robustness(material, [heard], **options), first)
    more = CONDITIONS | {"pink 0 dB": degrade.CONDITIONS["pink 0 dB"]}
    with pytest.raises(ZeroDivisionError):
        cross_validation.robustness(material, [heard], **{**options, "conditions": more})


def test_robustness_wants_features_at_its_own_rate(material, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cross_validation.degrade, "RATE", 8_000)
    folder = small.write(tmp_path, test=always(0))
    with pytest.raises(DataError, match="expected features at 8000 Hz, found 16000 Hz"):
        cross_validation.robustness(
            material, [folder], conditions=CONDITIONS, jobs=1, progress=False
        )


def test_streaming_plays_all_but_tess_and_is_kept(material, heard, monkeypatch) -> None:
    found = cross_validation.streaming_scores(material, [heard], jobs=1)
    rows = small.table()
    expected = rows[rows["corpus"] != "TESS"]
    assert list(found["key"]) == list(expected["key"])
    assert list(found["label"]) == list(expected["label"])
    assert (found["decisions"] > 0).any()
    assert set(found["fold"]) == {3} and set(found["seed"]) == {7}
    monkeypatch.setattr(cross_validation.streaming, "evaluate", lambda *args: 1 / 0)
    assert len(cross_validation.streaming_scores(material, [heard], jobs=1)) == len(found)


def test_false_alarms_are_the_mean_of_the_trials(tmp_path) -> None:
    """The first answers whatever it hears, the second nothing."""
    two = [small.write(tmp_path / f"{t}", test=always(0), threshold=t) for t in (0.0, 1.0)]
    time = np.arange(2 * degrade.RATE) / degrade.RATE
    swell = np.where(time % 0.3 < 0.15, 0.1, 0.015) * (time < 1)  # what the gate takes for a voice
    siren = {"siren": swell * np.sin(2 * np.pi * 600 * time)}
    alone = cross_validation.false_alarms(two[:1], siren, hours=0.02, jobs=1).set_index("kind")
    both = cross_validation.false_alarms(two, siren, hours=0.02, jobs=1).set_index("kind")
    assert list(both.index)[0] == "siren" and both.index[-1] == "all"
    assert both.loc["all", "hours"] == pytest.approx(0.02, rel=0.01)
    assert alone.loc["all", "answered"] > 0
    assert both.loc["all", "answered"] == alone.loc["all", "answered"] / 2
    assert both.loc["all", "windows"] == alone.loc["all", "windows"]


def test_noises_are_read_from_a_folder_that_need_not_be(tmp_path) -> None:
    assert cross_validation.noises("") == {}
    with pytest.raises(DataError, match="background recordings"):
        cross_validation.noises(tmp_path)


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


def bars(**changes) -> pd.DataFrame:
    uar = {POOL: 0.75, "RAVDESS": 0.65, "SAVEE": 0.7, "TESS": 0.55} | changes.pop("uar", {})
    summary = pd.DataFrame({"uar": uar})
    summary["float_uar"] = summary["uar"] + 0.004
    lost = {"gain -20 dB": 0.5, "white 10 dB": 9.0, "room 0.3 s": 30.0}
    alarms = {"kind": ["hum", "all"], "answered_per_hour": [20.0, 4.0]}
    return cross_validation.bars(
        summary=summary,
        unsure=pd.DataFrame({"ece": [0.02, 0.06, 0.9]}, index=["a", "b", "all"]),
        robustness=pd.Series(lost),
        alarms=pd.DataFrame(alarms),
    ).set_index("what")


def test_bars_say_what_is_reached() -> None:
    found = bars()
    assert found["measured"].to_dict() == pytest.approx(
        {
            f"UAR, {POOL}": 0.75,
            "UAR, RAVDESS": 0.65,
            "UAR, SAVEE": 0.7,
            "UAR, TESS": 0.55,
            "points lost, gain -20 dB": 0.5,
            "points lost, white 10 dB": 9.0,
            "points lost by int8": 0.4,
            "ECE, mean of trials": 0.04,
            "false alarms an hour": 4.0,
        }
    )
    reached = found[["must reached", "aim reached"]].agg(tuple, axis=1).to_dict()
    assert reached == {
        f"UAR, {POOL}": ("yes", "no"),
        "UAR, RAVDESS": ("no", "no"),
        "UAR, SAVEE": ("yes", "yes"),
        "UAR, TESS": ("", "no"),  # nothing must be reached there
        "points lost, gain -20 dB": ("yes", "no"),
        "points lost, white 10 dB": ("no", "no"),
        "points lost by int8": ("yes", "no"),
        "ECE, mean of trials": ("yes", "no"),
        "false alarms an hour": ("yes", "no"),
    }
    assert bars(uar={POOL: 0.70}).loc[f"UAR, {POOL}", "must reached"] == "yes"  # just so


def test_no_trial_has_no_robustness(tmp_path: Path) -> None:
    conditions = {"clean": degrade.CONDITIONS["clean"]}
    found = cross_validation.robustness(small.material(tmp_path), [], conditions=conditions)
    assert found.empty and {"condition", "part", "uar", "group"} <= set(found.columns)
