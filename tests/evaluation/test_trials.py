"""Trials: named by all that decides them, done once, and what they answered."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_trials as small

from ser_tinyml import files
from ser_tinyml.evaluation import trials
from ser_tinyml.evaluation.trials import Material, Settings
from ser_tinyml.features import extract, preset
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.features.rows import RowPlan
from ser_tinyml.files import DataError
from ser_tinyml.sound.augment import AugmentConfig
from ser_tinyml.training import calibration
from ser_tinyml.training.config import FIRST_GENERATION, own_seed, teacher_seeds
from ser_tinyml.training.recipe import Recipe

ROWS = {  # another value for every setting
    "features": preset("default", n_mfcc=13),
    "corpora": ("RAVDESS", "SAVEE"),
    "class_set": "seven",
    "protocol": "development",
    "augmented_rows": 1,
    "sad_angry_fraction": 0.5,
    "other_emotions": False,
    "speaker_share": 0.5,
    "test_fold": 1,
    "test_fraction": 0.3,
    "validation_fraction": 0.1,
    "seed": 1,
}
RECIPE = {
    "training": replace(Recipe().training, epochs=1),
    "frame_augmentation": FrameAugmentConfig(stretch=0.1),
    "teachers": 1,
    "generations": 1,
    "teacher_training": replace(Recipe().teacher_training, dropout=0.1),
    "calibration_clips": 100,
    "seed": 1,
}
QUIET = AugmentConfig(noise_probability=0.0)


def changed(base: Settings | None = None, **changes: object) -> Settings:
    """Settings with other fields; what is a field of both is meant of the rows."""
    base = base or Settings()
    rows = {name: value for name, value in changes.items() if name in ROWS}
    recipe = {name: value for name, value in changes.items() if name in RECIPE and name not in ROWS}
    return replace(base, rows=replace(base.rows, **rows), recipe=replace(base.recipe, **recipe))


def without_loud(settings: Settings) -> Settings:
    """The same without loud copies."""
    training = replace(settings.recipe.training, loud=0.0)
    return replace(
        settings,
        rows=replace(settings.rows, loud=0.0),
        recipe=replace(settings.recipe, training=training),
    )


OTHERS = [
    *(changed(**{name: value}) for name, value in ROWS.items()),
    *(replace(Settings(), recipe=replace(Recipe(), **{n: value})) for n, value in RECIPE.items()),
    replace(Settings(), waveform_augmentation=QUIET),
    without_loud(Settings()),
]


@pytest.fixture
def material(tmp_path: Path) -> Material:
    return small.material(tmp_path)


def test_the_default_settings_see_the_default_features() -> None:
    assert Settings().rows.features == preset("default")


def test_a_trial_has_another_folder_for_every_other_setting(material) -> None:
    assert set(ROWS) == {field.name for field in fields(RowPlan)} - {"augmentation", "loud"}
    assert set(RECIPE) == {field.name for field in fields(Recipe)}
    plain = replace(Settings(), recipe=replace(Recipe(), frame_augmentation=None))
    folders = [trials.trial_folder(material, one) for one in (Settings(), *OTHERS, plain)]
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
    for settings in OTHERS:
        path = files.write_json(tmp_path / "settings.json", settings.to_dict())
        assert files.read_json(path) == settings.to_dict()


def test_what_is_finished_is_not_done_again_and_answers_come_in_order(
    material, monkeypatch, capsys
) -> None:
    ran, made = [], []

    def run_trial(material: Material, settings: Settings) -> Path:
        ran.append(settings.rows.seed)
        folder = trials.trial_folder(material, settings)
        facts = {"about": f"seed {settings.rows.seed}", "seconds": 1.0, "uar": {"RAVDESS": 0.5}}
        files.write_json(folder / "trial.json", facts)
        return folder

    monkeypatch.setattr(trials, "run_trial", run_trial)
    monkeypatch.setattr(Material, "arrays", lambda self, settings: made.append(settings))
    settings = [trials.without_teachers(changed(seed=seed)) for seed in (0, 1, 2)]
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
        recipe = settings.recipe
        ran.append((settings.rows.test_fold, recipe.training.seed, recipe.teachers))
        folder = trials.trial_folder(material, settings)
        files.write_json(folder / "trial.json", {"about": "", "seconds": 1.0, "uar": {}})
        return folder

    monkeypatch.setattr(trials, "run_trial", run_trial)
    monkeypatch.setattr(Material, "arrays", lambda self, settings: None)
    of_seed = [trials.seeded(Settings(), seed) for seed in (0, 1)]
    trials.run(material, [*of_seed, changed(of_seed[0], test_fold=1)], jobs=1)
    first = FIRST_GENERATION
    generations = [
        [(fold, first + n, 0) for fold in (0, 1) for n in (0, 1)],
        [(fold, n, 2) for fold in (0, 1) for n in (0, 1)],
        [(0, 2, 2), (0, 3, 2), (1, 2, 2)],
    ]
    assert ran == sum(generations, [])
    dealt = [changed(one, protocol="clip_random") for one in of_seed]  # another split for each seed
    seeds = [one.rows.seed for two in dealt for one in trials.teachers_of(two)]
    assert seeds == [0] * 4 + [1] * 4


def test_trials_run_side_by_side_in_processes_of_their_own(material, monkeypatch, capsys) -> None:
    """Real processes get real settings, and leave what a trial leaves; nothing is trained."""

    def run_trial(material: Material, settings: Settings) -> Path:
        folder = trials.trial_folder(material, settings)
        about = f"seed {settings.rows.seed} of {len(material.clips)} clips by {os.getpid()}"
        files.write_json(folder / "trial.json", {"about": about, "seconds": 1.0, "uar": {}})
        return folder

    monkeypatch.setattr(trials, "run_trial", run_trial)
    monkeypatch.setattr(Material, "arrays", lambda self, settings: None)
    settings = [trials.without_teachers(changed(seed=seed)) for seed in (2, 1, 0)]
    found = trials.run(material, settings, jobs=2)
    said = [files.read_json(folder / "trial.json")["about"].split(" by ") for folder in found]
    assert [about for about, _ in said] == [
        f"seed {seed} of {len(material.clips)} clips" for seed in (2, 1, 0)
    ]
    assert str(os.getpid()) not in {process for _, process in said}
    assert "3/3  seed" in capsys.readouterr().out


def test_each_generation_learns_from_all_before_it() -> None:
    settings = changed(trials.seeded(Settings(), 0), generations=3)
    nets = [*trials.teachers_of(settings), settings]
    generations = [net.recipe.generations for net in nets]
    assert generations == [0, 0, 1, 1, 2, 2, 3]
    for net, generation in zip(nets, generations, strict=True):
        assert [*map(str, trials.teachers_of(net))] == [*map(str, nets[: 2 * generation])]


def test_no_net_has_the_seed_of_its_teachers() -> None:
    for generations in range(4):
        own = {own_seed(seed, teachers=3, generations=generations) for seed in range(50)}
        seeds = [*(s for n in range(generations) for s in teacher_seeds(n, teachers=3)), *own]
        assert len(set(seeds)) == len(seeds)
    assert own_seed(7, teachers=0, generations=0) == 7


def test_without_teachers_there_is_no_distillation() -> None:
    alone = trials.without_teachers(Settings()).recipe
    assert alone.training.distillation == alone.generations == alone.teachers == 0


def test_loud_copies_are_copies_and_are_trained_on() -> None:
    with pytest.raises(DataError, match="expected augmented_rows where loud is over 0"):
        changed(augmented_rows=0)
    with pytest.raises(DataError, match="loud 0.0 of rows and 0.125 of training"):
        Settings(rows=RowPlan(loud=0.0))
    assert Recipe().teacher_training.loud == 0 < Recipe().training.loud


def test_copies_are_random_ones() -> None:
    with pytest.raises(DataError, match="expected augmentation 'random', found 'none'"):
        replace(without_loud(Settings()), rows=RowPlan(augmentation="none", loud=0.0))


def test_all_features_are_made_before_trials_that_run_side_by_side_need_them(
    material, monkeypatch
) -> None:
    done = []
    monkeypatch.setattr(Material, "arrays", lambda self, settings: done.append(settings))
    monkeypatch.setattr(trials, "_done", lambda folder: True)
    others = [changed(**{name: ROWS[name]}) for name in ("features", "augmented_rows")]
    others.append(replace(Settings(), waveform_augmentation=QUIET))
    same = [changed(seed=1), changed(training=RECIPE["training"]), changed(protocol="development")]
    trials.run(material, [Settings(), *same, *others], jobs=1)
    assert done[0].rows.features == Settings().rows.features and done[1:] == others


def test_features_are_computed_once_for_each_version_of_each_clip(material, monkeypatch) -> None:
    material = replace(material, clips=material.clips[:3])
    settings = changed(augmented_rows=1)
    table, folder = material.arrays(settings)
    assert list(table["variant"]) == ["clean", "random_1", "loud"] * 3
    assert list(table["key"].unique()) == list(material.clips["key"])
    features = np.load(folder / "features.npy")
    assert features.shape == (9, *settings.rows.features.feature_shape)
    assert len(np.load(folder / "windows.npy")) == 9
    monkeypatch.setattr(extract, "compute_features", lambda *args, **options: 1 / 0)
    assert material.arrays(changed(settings, seed=5, class_set="seven"))[1] == folder
    for other in (
        changed(without_loud(settings), augmented_rows=0),
        changed(settings, features=ROWS["features"]),
        replace(settings, waveform_augmentation=QUIET),
    ):
        with pytest.raises(ZeroDivisionError):
            material.arrays(other)
    with pytest.raises(ZeroDivisionError):
        replace(material, clips=material.clips[:2]).arrays(settings)


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
