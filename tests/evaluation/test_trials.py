"""Trials: named by all that decides them, done once, and what they answered."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_trials as small

from ser_tinyml import files
from ser_tinyml.evaluation import trials
from ser_tinyml.evaluation.trials import Material, Settings
from ser_tinyml.features import preset
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.files import DataError
from ser_tinyml.sound.augment import AugmentConfig
from ser_tinyml.training import calibration
from ser_tinyml.training.config import FIRST_GENERATION, own_seed, teacher_seeds

OTHER = {  # another value for every setting
    "features": preset("default", n_mfcc=13),
    "training": replace(Settings().training, epochs=1),
    "frame_augmentation": FrameAugmentConfig(stretch=0.1),
    "waveform_augmentation": AugmentConfig(noise_probability=0.0),
    "copies": 1,
    "corpora": ("RAVDESS", "SAVEE"),
    "class_set": "seven",
    "protocol": "development",
    "test_fold": 1,
    "seed": 1,
    "other_emotions": False,
    "speaker_share": 0.5,
    "test_fraction": 0.1,
    "validation_fraction": 0.2,
    "teachers": 1,
    "generations": 1,
    "teacher_training": replace(Settings().teacher_training, units=(64, 32)),
}


QUIET = replace(Settings().training, loud=0.0)


@pytest.fixture
def material(tmp_path: Path) -> Material:
    return small.material(tmp_path)


def test_the_default_settings_see_the_default_features() -> None:
    assert Settings().features == preset("default")


def test_a_trial_has_another_folder_for_every_other_setting(material) -> None:
    assert set(OTHER) == {field.name for field in fields(Settings)}
    folders = [trials.trial_folder(material, Settings())]
    for name, value in OTHER.items():
        settings = replace(Settings(), **{name: value})
        assert getattr(settings, name) != getattr(Settings(), name)
        folders.append(trials.trial_folder(material, settings))
    folders.append(trials.trial_folder(material, replace(Settings(), frame_augmentation=None)))
    assert len(set(folders)) == len(folders)
    assert {folder.parent for folder in folders} == {material.folder / "trials"}
    assert trials.trial_folder(material, Settings()) == folders[0]


def test_a_trial_has_another_folder_for_other_recordings_and_other_code(
    material, monkeypatch
) -> None:
    first = trials.trial_folder(material, Settings())
    clips = material.clips
    moved = Material(clips.assign(path="elsewhere"), Path("elsewhere"), material.folder)
    assert trials.trial_folder(moved, Settings()) == first
    for other in (
        clips[1:],
        clips.assign(sha256=["new", *clips["sha256"][1:]]),
        clips.assign(emotion=["sad", *clips["emotion"][1:]]),
        clips.assign(speaker=[f"{name}-twin" for name in clips["speaker"]]),
    ):
        assert trials.trial_folder(replace(material, clips=other), Settings()) != first
    with monkeypatch.context() as patched:
        patched.setattr(trials.folds, "assign", lambda clips: pd.Series(4, index=clips.index))
        assert trials.trial_folder(material, Settings()) != first
    monkeypatch.setattr(trials, "_code", lambda: "other code")
    assert trials.trial_folder(material, Settings()) != first


def test_settings_can_be_written_and_read(tmp_path) -> None:
    for name, value in OTHER.items():
        settings = replace(Settings(), **{name: value})
        path = files.write_json(tmp_path / "settings.json", settings.to_dict())
        assert files.read_json(path) == settings.to_dict()


def test_what_is_finished_is_not_done_again_and_answers_come_in_order(
    material, monkeypatch, capsys
) -> None:
    ran, made = [], []

    def run_trial(material: Material, settings: Settings) -> Path:
        ran.append(settings.seed)
        folder = trials.trial_folder(material, settings)
        facts = {"about": f"seed {settings.seed}", "seconds": 1.0, "uar": {"RAVDESS": 0.5}}
        files.write_json(folder / "trial.json", facts)
        return folder

    monkeypatch.setattr(trials, "run_trial", run_trial)
    monkeypatch.setattr(Material, "arrays", lambda self, settings: made.append(settings))
    settings = [trials.without_teachers(replace(Settings(), seed=seed)) for seed in (0, 1, 2)]
    trials.run(material, settings[1:2], jobs=1)
    (trials.trial_folder(material, settings[2]) / "log.txt").parent.mkdir()  # begun, not finished
    found = trials.run(material, settings, jobs=1)
    assert ran == [1, 0, 2]
    assert found == [trials.trial_folder(material, one) for one in settings]
    assert len(made) == 2  # the features of a call are made once, before it goes on all cores
    said = capsys.readouterr().out
    assert "trials to run: 2" in said
    assert "2/2  seed 2  1 s  UAR, int8: RAVDESS 0.500" in said
    trials.run(material, settings, jobs=1)
    assert ran == [1, 0, 2] and capsys.readouterr().out == ""


def test_teachers_are_trained_first_and_seeds_share_them(material, monkeypatch) -> None:
    ran = []

    def run_trial(material: Material, settings: Settings) -> Path:
        ran.append((settings.test_fold, settings.training.seed, settings.teachers))
        folder = trials.trial_folder(material, settings)
        files.write_json(folder / "trial.json", {"about": "", "seconds": 1.0, "uar": {}})
        return folder

    monkeypatch.setattr(trials, "run_trial", run_trial)
    monkeypatch.setattr(Material, "arrays", lambda self, settings: None)
    of_seed = [trials.seeded(Settings(), seed) for seed in (0, 1)]
    trials.run(material, [*of_seed, replace(of_seed[0], test_fold=1)], jobs=1)
    first = FIRST_GENERATION
    generations = [
        [(fold, first + n, 0) for fold in (0, 1) for n in (0, 1)],
        [(fold, n, 2) for fold in (0, 1) for n in (0, 1)],
        [(0, 2, 2), (0, 3, 2), (1, 2, 2)],
    ]
    assert ran == sum(generations, [])
    dealt = [replace(one, protocol="clip_random") for one in of_seed]  # another split for each seed
    seeds = [one.seed for two in dealt for one in trials.teachers_of(two)]
    assert seeds == [0] * 4 + [1] * 4


def test_each_generation_learns_from_all_before_it() -> None:
    settings = replace(trials.seeded(Settings(), 0), generations=3)
    nets = [*trials.teachers_of(settings), settings]
    assert [net.generations for net in nets] == [0, 0, 1, 1, 2, 2, 3]
    for net in nets:
        assert [*map(str, trials.teachers_of(net))] == [*map(str, nets[: 2 * net.generations])]


def test_no_net_has_the_seed_of_its_teachers() -> None:
    for generations in range(4):
        own = {own_seed(seed, teachers=3, generations=generations) for seed in range(50)}
        seeds = [*(s for n in range(generations) for s in teacher_seeds(n, teachers=3)), *own]
        assert len(set(seeds)) == len(seeds)
    assert own_seed(7, teachers=0, generations=0) == 7


def test_teachers_and_distillation_go_together() -> None:
    with pytest.raises(DataError, match="or none of them, found 0, 2 and 1.0"):
        replace(Settings(), teachers=0)
    alone = trials.without_teachers(Settings())
    assert alone.training.distillation == alone.generations == alone.teachers == 0


def test_loud_copies_are_copies() -> None:
    with pytest.raises(DataError, match="expected copies where loud is over 0"):
        replace(Settings(), copies=0)
    assert Settings().teacher_training.loud == 0 < Settings().training.loud


def test_all_features_are_made_before_trials_that_run_side_by_side_need_them(
    material, monkeypatch
) -> None:
    done = []
    monkeypatch.setattr(Material, "arrays", lambda self, settings: done.append(settings))
    monkeypatch.setattr(trials, "_done", lambda folder: True)
    names = ("features", "copies", "waveform_augmentation")
    others = [replace(Settings(), **{name: OTHER[name]}) for name in names]
    same = [replace(Settings(), **{name: OTHER[name]}) for name in ("seed", "training", "protocol")]
    trials.run(material, [Settings(), *same, *others], jobs=1)
    assert done[0].features == Settings().features and done[1:] == others


def test_features_are_computed_once_for_each_version_of_each_clip(material, monkeypatch) -> None:
    material = replace(material, clips=material.clips[:3])
    settings = replace(Settings(), copies=1)
    table, folder = material.arrays(settings)
    assert list(table["variant"]) == ["clean", "random_1", "loud"] * 3
    assert list(table["key"].unique()) == list(material.clips["key"])
    features = np.load(folder / "features.npy")
    assert features.shape == (9, *settings.features.feature_shape)
    assert len(np.load(folder / "windows.npy")) == 9
    monkeypatch.setattr(trials.extract, "compute_features", lambda *args, **options: 1 / 0)
    assert material.arrays(replace(settings, seed=5, class_set="seven"))[1] == folder
    for other in (
        replace(settings, copies=0, training=QUIET),
        replace(settings, features=OTHER["features"]),
        replace(settings, waveform_augmentation=OTHER["waveform_augmentation"]),
    ):
        with pytest.raises(ZeroDivisionError):
            material.arrays(other)
    with pytest.raises(ZeroDivisionError):
        replace(material, clips=material.clips[:2]).arrays(settings)


def test_a_share_of_the_speakers_is_a_share_in_every_corpus() -> None:
    people = [f"RAVDESS-{n:02}" for n in range(8)] + [f"SAVEE-{n}" for n in range(3)] + ["TESS-OAF"]
    plan = pd.DataFrame(
        {
            "row": range(3 * len(people)),
            "key": [f"{who}/{part}" for who in people for part in "abc"],
            "speaker": [who for who in people for _ in "abc"],
            "split": ["train", "train", "validation"] * len(people),
        }
    )
    plan["corpus"] = plan["speaker"].str.split("-").str[0]
    before = set(people)
    for share, count in ((1.0, (8, 3, 1)), (0.75, (6, 3, 1)), (0.5, (4, 2, 1)), (0.1, (1, 1, 1))):
        found = trials._fewer_speakers(plan, share, seed=0)
        train = found[found["split"] == "train"]
        assert tuple(train.groupby("corpus")["speaker"].nunique()) == count
        assert (train.groupby("speaker").size() == 2).all()  # all of a speaker, or nothing
        assert (found["split"] == "validation").sum() == len(people)
        assert list(found["row"]) == list(found.index) == list(range(len(found)))
        assert set(train["speaker"]) <= before
        before = set(train["speaker"])
    for wrong in (0.0, 1.5):
        with pytest.raises(DataError, match=f"speaker_share over 0 to 1, found {wrong}"):
            Settings(speaker_share=wrong)


def test_answers_are_those_of_the_test_or_of_validation_where_there_is_none(tmp_path) -> None:
    rows = small.table()
    whole = small.write(
        tmp_path / "whole",
        test=small.sure(rows["label_id"], 0.6),
        float_test=small.sure(rows["label_id"], 0.7),
    )
    found = trials.answers(whole)
    assert list(found["key"]) == list(rows["key"]) and list(found.columns) == [
        *("key", "corpus", "speaker", "emotion", "label", "label_id"),
        *("p_calm", "p_cross", "p_glad"),
    ]
    np.testing.assert_allclose(trials.probabilities(found), small.sure(rows["label_id"], 0.6))
    assert trials.probabilities(trials.answers(whole, kind="float")).max() == 0.7
    validation = trials.answers(whole, part="validation")
    assert validation["key"].str.contains("validation").all()
    assert trials.probabilities(validation).max() == 0.8
    part = small.write(tmp_path / "part")
    pd.testing.assert_frame_equal(trials.answers(part), validation)


def test_parts_are_the_pool_and_each_corpus() -> None:
    table = small.table()
    parts = trials.parts(table)
    assert list(parts) == [trials.POOL, "RAVDESS", "SAVEE", "CREMA-D", "TESS"]
    assert set(parts[trials.POOL]["corpus"]) == {"CREMA-D", "RAVDESS", "SAVEE"}
    assert sum(len(parts[name]) for name in small.SPEAKERS) == len(table)
    one = table[table["corpus"].isin(["RAVDESS", "TESS"])]
    assert list(trials.parts(one)) == ["RAVDESS", "TESS"]  # a pool of one is no pool


def test_scores_count_the_classes_that_a_corpus_has(tmp_path) -> None:
    rows = small.table()
    folder = small.write(tmp_path, test=small.sure(np.zeros(len(rows), int)))
    parts = trials.parts(trials.answers(folder))
    assert trials.score(parts["CREMA-D"], small.CLASSES)["uar"] == 1 / 2
    assert trials.score(parts["RAVDESS"], small.CLASSES)["uar"] == pytest.approx(1 / 3)


def test_the_threshold_is_where_validation_is_right_often_enough() -> None:
    """Of 200 answers at 0.9 a tenth is wrong, of 200 at 0.6 half."""
    probabilities = np.concatenate([small.sure(np.zeros(200, int), p) for p in (0.9, 0.6)])
    truth = np.zeros(400, int)
    truth[:20] = truth[200:300] = 1
    found = calibration.decide(probabilities, truth)
    assert found == {
        "threshold": pytest.approx(0.9),
        "target_accuracy": calibration.TARGET_ACCURACY,
        "reached": True,
    }


def test_where_no_threshold_is_good_enough_the_surest_fifth_is_answered() -> None:
    tops = np.linspace(0.4, 0.95, 100)
    probabilities = np.concatenate([small.sure([0], top) for top in tops])
    found = calibration.decide(probabilities, np.full(100, 1))
    assert found["reached"] is False
    assert (probabilities.max(axis=1) >= found["threshold"]).sum() == 20


def test_a_temperature_that_cannot_be_found_is_one() -> None:
    truth = np.arange(30) % 3
    assert calibration.best_temperature(small.sure(truth), truth) == 1
    sometimes = np.where(np.arange(30) % 5 == 0, (truth + 1) % 3, truth)
    assert calibration.best_temperature(small.sure(truth, 0.99), sometimes) > 1.5
