"""Finished trials under degraded sound, as streams, and with nobody speaking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_firmware
import small_trials as small

from ser_tinyml import features, files
from ser_tinyml.evaluation import listening, streaming, trials
from ser_tinyml.evaluation.trials import POOL, Material
from ser_tinyml.files import DataError
from ser_tinyml.sound import degrade
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

CONDITIONS = {name: degrade.CONDITIONS[name] for name in ("clean", "white 0 dB")}


def always(label_id: int) -> np.ndarray:
    """Answers that are always the same."""
    return small.sure(np.full(len(small.table()), label_id))


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Material:
    return small.material(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def heard(tmp_path_factory) -> Path:
    """A trial whose answers to a test are those of its model."""
    return small.write(tmp_path_factory.mktemp("trial"), test=always(0), fold=3, seed=7)


def test_robustness_is_what_the_model_answers_to_changed_recordings(material, heard) -> None:
    found = listening.robustness(
        material, [heard], conditions=CONDITIONS, jobs=2, progress=False
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
                for key, samples in listening.recordings_of(material, rows)
            ]
        )
        answers = runtime.predict(release.normalisation.apply(inputs)).argmax(axis=1)
        expected = (answers == rows["label_id"]).mean()
        assert found.loc[(name, POOL), "accuracy"] == pytest.approx(expected)


def test_robustness_that_is_kept_is_not_computed_again(material, heard, monkeypatch) -> None:
    options = {"conditions": CONDITIONS, "jobs": 1, "progress": False}
    first = listening.robustness(material, [heard], **options)
    monkeypatch.setattr(listening, "_answer_degraded", lambda *task: 1 / 0)
    pd.testing.assert_frame_equal(listening.robustness(material, [heard], **options), first)
    more = CONDITIONS | {"pink 0 dB": degrade.CONDITIONS["pink 0 dB"]}
    with pytest.raises(ZeroDivisionError):
        listening.robustness(material, [heard], **{**options, "conditions": more})


def test_robustness_wants_features_at_its_own_rate(material, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(listening.degrade, "RATE", 8_000)
    folder = small.write(tmp_path, test=always(0))
    with pytest.raises(DataError, match="expected features at 8000 Hz, found 16000 Hz"):
        listening.robustness(material, [folder], conditions=CONDITIONS, jobs=1, progress=False)


def test_streaming_plays_all_but_tess_and_is_kept(material, heard, monkeypatch) -> None:
    found = listening.streaming_scores(material, [heard], jobs=2)
    rows = small.table()
    expected = rows[rows["corpus"] != "TESS"]
    assert list(found["key"]) == list(expected["key"])
    assert list(found["label"]) == list(expected["label"])
    assert (found["decisions"] > 0).any()
    assert set(found["fold"]) == {3} and set(found["seed"]) == {7}
    monkeypatch.setattr(listening.streaming, "evaluate", lambda *args: 1 / 0)
    assert len(listening.streaming_scores(material, [heard], jobs=1)) == len(found)


def test_a_recording_without_a_decision_is_scored_from_the_file(material, tmp_path) -> None:
    """Labels may be called 1 and 2, and where nothing was decided there is no number."""
    folder = small.write(tmp_path, test=always(0), fold=3, seed=7)
    line = {"key": "a", "label": "1", "windows": 1, "decisions": 1, "predicted": "1"}
    line |= {"answered": True, "probability": 0.9, "voice_frames": 9, "speech_end_s": 1.0}
    line |= {"decided_s": 1.6, "delay_s": 0.6, "corpus": "SAVEE", "speaker": "b"}
    none = {**line, "key": "b", "decisions": 0, "predicted": "", "answered": False}
    none |= dict.fromkeys(listening.NUMBERS, np.nan)
    files.write_table(listening._streamed_file(folder), pd.DataFrame([line, none]))
    read = listening.streaming_scores(material, [folder], jobs=1)
    found = streaming.scores(read, classes=["1", "2"])
    assert found["delay_median_s"] == pytest.approx(0.6)
    assert found["decided"] == 0.5


def test_what_other_code_kept_is_computed_anew(material, heard, monkeypatch) -> None:
    listening.streaming_scores(material, [heard], jobs=1)
    monkeypatch.setattr(listening, "_code", lambda: "other")
    monkeypatch.setattr(listening.streaming, "evaluate", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        listening.streaming_scores(material, [heard], jobs=1)


def test_false_alarms_are_the_mean_of_the_trials(tmp_path) -> None:
    """The first answers whatever it hears, the second nothing."""
    two = [small.write(tmp_path / f"{t}", test=always(0), threshold=t) for t in (0.0, 1.0)]
    time = np.arange(2 * degrade.RATE) / degrade.RATE
    swell = np.where(time % 0.3 < 0.15, 0.1, 0.015) * (time < 1)  # what the gate takes for a voice
    siren = {"siren": swell * np.sin(2 * np.pi * 600 * time)}
    alone = listening.false_alarms(two[:1], siren, hours=0.02, jobs=1).set_index("kind")
    both = listening.false_alarms(two, siren, hours=0.02, jobs=2).set_index("kind")
    assert list(both.index)[0] == "siren" and both.index[-1] == "all"
    assert both.loc["all", "hours"] == pytest.approx(0.02, rel=0.01)
    assert alone.loc["all", "answered"] > 0
    assert both.loc["all", "answered"] == alone.loc["all", "answered"] / 2
    assert both.loc["all", "windows"] == alone.loc["all", "windows"]


def test_noises_are_read_from_a_folder_that_need_not_be(tmp_path) -> None:
    assert listening.noises("") == {}
    with pytest.raises(DataError, match="background recordings"):
        listening.noises(tmp_path)


def test_no_trial_has_no_robustness(tmp_path: Path) -> None:
    conditions = {"clean": degrade.CONDITIONS["clean"]}
    found = listening.robustness(small.material(tmp_path), [], conditions=conditions)
    assert found.empty and {"condition", "part", "uar", "group"} <= set(found.columns)
