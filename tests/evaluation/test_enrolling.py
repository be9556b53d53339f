"""Speakers say how high they speak, and are tested on what they did not give."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from make_audio import record

from ser_tinyml import files
from ser_tinyml.evaluation import cross_validation
from ser_tinyml.evaluation.trials import Material, Settings
from ser_tinyml.evaluation.voice import enrolling
from ser_tinyml.evaluation.voice.enrolling import Enrolment
from ser_tinyml.features import FeatureConfig
from ser_tinyml.files import DataError
from ser_tinyml.sound import degrade
from ser_tinyml.tflite.release import FOLDER, Release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime

HERTZ = {"RAVDESS-01": 110.0, "SAVEE-DC": 220.0}
EMOTIONS = ("neutral",) * 4 + ("happy",) * 2
DRAWS = 2


def hum(hertz: float, number: int) -> np.ndarray:
    """A second of something like a vowel, which swells and fades."""
    time = np.arange(degrade.RATE) / degrade.RATE
    tone = sum(np.sin(2 * np.pi * hertz * k * time + number) / k for k in range(1, 12))
    return (0.1 * tone * np.sin(np.pi * time) ** 2).astype(np.float32)


def table(emotions: tuple[str, ...] = EMOTIONS) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": f"{speaker.split('-')[0]}/{speaker}-{number}",
            "corpus": speaker.split("-")[0],
            "speaker": speaker,
            "emotion": emotion,
            "label": emotion,
            "label_id": int(emotion == "happy"),
            "split": "test",
        }
        for speaker in HERTZ
        for number, emotion in enumerate(emotions)
    )


@pytest.fixture(scope="module")
def settings() -> Settings:
    plain = Settings()
    return replace(plain, rows=replace(plain.rows, features=Release.load().config))


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Material:
    folder = tmp_path_factory.mktemp("recordings")
    clips = table()
    for number, (key, speaker) in enumerate(zip(clips["key"], clips["speaker"], strict=True)):
        sound = hum(HERTZ[speaker] * (1 + 0.02 * (number % 5)), number)
        record(folder / f"{key}.wav", sound, sample_rate=degrade.RATE)
    return Material(
        clips.assign(path=clips["key"] + ".wav", sha256=clips["key"]), folder, folder / "made"
    )


def trial(folder: Path, rows: pd.DataFrame, **changes: object) -> Path:
    """A finished trial of the released model, with answers that are always the first class."""
    for path in FOLDER.glob("*"):
        if path.suffix in (".json", ".tflite", ".npz"):
            folder.mkdir(exist_ok=True)
            shutil.copy(path, folder)
    files.write_table(folder / "rows.csv", rows)
    np.savez(folder / "answers.npz", int8_test=np.eye(4)[np.zeros(len(rows), int)])
    files.write_json(folder / "trial.json", {"fold": 3, "seed": 7, **changes})
    return folder


@pytest.fixture(scope="module")
def found(material, settings, tmp_path_factory) -> pd.DataFrame:
    folder = trial(tmp_path_factory.mktemp("trials") / "one", table())
    return enrolling.scores(
        material, [settings], [folder], conditions=("clean", "pink 10 dB"), draws=DRAWS, jobs=1
    )


def test_every_condition_draw_and_part_has_a_line(found) -> None:
    where = found[["condition", "draw", "part"]].to_records(index=False).tolist()
    assert where == [
        (condition, draw, part)
        for draw in range(DRAWS)
        for condition in ("clean", "pink 10 dB")
        for part in ("pooled", "RAVDESS", "SAVEE")
    ]
    assert set(found["fold"]) == {3} and set(found["seed"]) == {7}


def test_the_clips_that_are_given_are_not_tested(found) -> None:
    left = len(EMOTIONS) - 2  # two of four are given, for two have to be left
    assert set(found.loc[found["part"] == "RAVDESS", "n"]) == {left}
    assert set(found.loc[found["part"] == "pooled", "n"]) == {2 * left}


def test_before_is_what_the_trial_answered_and_after_what_the_moved_pitch_gives(
    found, material, settings
) -> None:
    assert set(found["before"]) == {0.5}  # always neutral: right in one class of two
    release, rows = Release.load(), table()
    keys = sorted(rows.loc[(rows["speaker"] == "SAVEE-DC") & (rows["label"] == "neutral"), "key"])
    given = enrolling._drawn("SAVEE-DC", keys, 5, 0)
    (line,) = found.query("part == 'SAVEE' and condition == 'clean' and draw == 0").to_dict(
        "records"
    )
    tested = rows[(rows["speaker"] == "SAVEE-DC") & ~rows["key"].isin(given)]
    inputs = cross_validation.clean_features(material, settings, tested["key"])
    voice = enrolling._voices(material, {"SAVEE-DC": given}, "clean", release)["SAVEE-DC"]
    assert voice.hertz == pytest.approx(HERTZ["SAVEE-DC"], rel=0.1)
    moved = voice.applied(inputs, release.config)
    answers = TfliteMicroRuntime(release.tflite).predict(release.normalisation.apply(moved))
    right = answers.argmax(axis=1) == tested["label_id"].to_numpy()
    recalls = [right[tested["label_id"] == label].mean() for label in (0, 1)]
    assert line["after"] == pytest.approx(np.mean(recalls))


def test_noise_hardly_moves_how_high_somebody_speaks(material) -> None:
    release, rows = Release.load(), table()
    given = {"RAVDESS-01": list(rows.loc[rows["speaker"] == "RAVDESS-01", "key"])[:3]}
    clean, noisy = (
        enrolling._voices(material, given, condition, release)["RAVDESS-01"].hertz
        for condition in ("clean", "pink 10 dB")
    )
    assert noisy == pytest.approx(clean, rel=0.05)


def test_a_summary_is_in_points_and_levels_are_uar() -> None:
    lines = pd.DataFrame(
        [
            (0, 0, "clean", 0, "pooled", 10, 0.5, 0.6),
            (0, 0, "clean", 1, "pooled", 10, 0.5, 0.5),
            (0, 0, "room 0.5 s", 0, "pooled", 10, 0.5, 0.4),
        ],
        columns=["fold", "seed", "condition", "draw", "part", "n", "before", "after"],
    )
    summary = enrolling.summary(lines)
    assert summary["pooled"].to_dict() == pytest.approx({"clean": 5.0, "room 0.5 s": -10.0})
    levels = enrolling.levels(lines)
    assert levels["clean"]["pooled"] == pytest.approx({"before": 0.5, "after": 0.55})


def test_whoever_never_speaks_ordinarily_cannot_be_enrolled(material, settings, tmp_path) -> None:
    rows = table()
    folder = trial(tmp_path / "one", rows[rows["emotion"] == "happy"])
    with pytest.raises(DataError, match="expected 3 clips or more of the emotion 'neutral'"):
        enrolling.scores(material, [settings], [folder], jobs=1)


def test_an_enrolment_is_the_mean_of_voiced_frames_and_takes_pitch_alone() -> None:
    track = np.array([[-1.0, 0.9], [0.0, 0.9], [3.0, 0.1]], np.float32)
    voice = Enrolment.of_tracks([track] * 15)
    assert voice.octaves == pytest.approx(-0.5)
    assert voice.hertz == pytest.approx(200 / np.sqrt(2))
    config = Release.load().config
    features = np.ones((2, *config.feature_shape), np.float32)
    moved = (features - voice.applied(features, config)).reshape(2, -1, config.n_values)
    assert np.unique(np.delete(moved, -3, axis=2)) == 0
    assert moved[..., -3] == pytest.approx(float(voice.shift), abs=1e-6)
    assert float(voice.shift) == pytest.approx(0.75 * np.log2(voice.hertz / 158.7), abs=1e-6)


def test_an_ordinary_voice_is_not_moved() -> None:
    assert Enrolment(np.log2(158.7 / 200)).shift == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Enrolment.of_tracks([]), "expected 20 frames of a voice or more, found 0"),
        (
            lambda: Enrolment(0.0).applied(np.zeros((47, 80)), FeatureConfig(name="x")),
            "expected a model that hears the pitch",
        ),
    ],
)
def test_what_cannot_be_enrolled_is_said(make, message) -> None:
    with pytest.raises(DataError, match=message):
        make()
