"""The one recipe: read from parameters, and whole or step by step the same net."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_rows as small

from ser_tinyml import files
from ser_tinyml.features.frame_augment import NONE, FrameAugmentConfig
from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.files import DataError
from ser_tinyml.nets.keras import keras
from ser_tinyml.tflite.release import Release
from ser_tinyml.tflite.runtimes import TfliteMicroRuntime
from ser_tinyml.training import recipe as one_recipe
from ser_tinyml.training.config import TEACHER, TrainingConfig
from ser_tinyml.training.recipe import Recipe, Trained, TrainingData

SMALL = Recipe.of(
    {
        **{"epochs": 2, "teachers": 0, "loud": 0, "calibration_clips": 16},
        "training": {"units": [8, 6], "batch_size": 16, "speaker_clips": 0},
        "frame_augmentation": {"shift_frames": 2},
    }
)
TAUGHT = replace(
    SMALL,
    training=replace(SMALL.training, distillation=0.5),
    teachers=1,
    generations=1,
)


def silent(line: str) -> None:
    """For `say`."""


def save(data: TrainingData, folder: Path, *, windows: bool = True) -> None:
    """As stage 02 writes it."""
    files.write_table(folder / "rows.csv", data.rows)
    np.save(folder / "features.npy", data.features)
    if windows:
        np.save(folder / "windows.npy", data.windows)
    data.config.save(folder / "features.json")
    files.write_json(folder / "labels.json", data.classes)


def weights_of(trained: Trained | keras.Model) -> bytes:
    model = trained.model if isinstance(trained, Trained) else trained
    return b"".join(weight.tobytes() for weight in model.get_weights())


def test_without_parameters_it_is_the_recipe_of_the_release() -> None:
    """But for the seed of the net, which comes after those of its teachers."""
    assert Recipe.of({}) == replace(Recipe(), training=TrainingConfig(seed=2))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"teachers": 1}, {"teachers": 1, "training.seed": 1, "training.distillation": 1.0}),
        ({"generations": 1}, {"generations": 1, "training.seed": 0}),
        ({"calibration_clips": 8}, {"calibration_clips": 8}),
        ({"seed": 5}, {"seed": 5, "training.seed": 7, "teacher_training.seed": 0}),
        ({"epochs": 50}, {"training.epochs": 50, "teacher_training.epochs": 40}),
        ({"epochs": 3}, {"training.epochs": 3, "teacher_training.epochs": 3}),
        ({"teacher_epochs": 9}, {"training.epochs": 60, "teacher_training.epochs": 9}),
        ({"loud": 1}, {"training.loud": 1.0, "teacher_training.loud": 0.0}),
        ({"frame_augmentation": {"stretch": 0.1}}, {"frame_augmentation.stretch": 0.1}),
    ],
)
def test_a_parameter_is_read(parameters, expected) -> None:
    default, found = Recipe.of({}), Recipe.of({**parameters, "corpora": "RAVDESS", "jobs": 0})
    for way, value in expected.items():
        assert at(found, way) == value
    changed = {way.split(".")[0] for way in expected}
    same = {field.name for field in fields(Recipe)} - changed - {"training", "teacher_training"}
    assert all(getattr(found, name) == getattr(default, name) for name in same)


def at(recipe: Recipe, way: str) -> Any:
    found: Any = recipe
    for name in way.split("."):
        found = getattr(found, name)
    return found


OTHER: dict[str, Any] = {  # another value for each field
    "net_options": {"dense_units": 12},
    **{"units": [32], "dropout": 0.4, "batch_size": 64, "learning_rate": 1e-3, "epochs": 7},
    **{"schedule": "constant", "patience": 5, "keep": "best", "averaging": 0, "seed": 9},
    **{"class_weights": "sqrt", "versions": "all", "speaker_clips": 0, "label_smoothing": 0},
    **{"steps": "last", "auxiliary": 0, "distillation": 0.25, "taught_weights": "none"},
    **{
        "loud": 0.5,
        "mixing": 0.5,
        "nonspeech": 0.1,
        "input_noise": 0,
        "outside": 0.7,
        "unlabelled": 0.3,
        "normalise": False,
    },
    **{"between_dropout": 0, "int8_weights": True},
}


def test_every_field_of_training_can_be_given_and_those_of_teachers_apart() -> None:
    assert set(OTHER) | {"net"} == {field.name for field in fields(TrainingConfig)}
    own = {"epochs", "distillation", "taught_weights", "loud", "seed"}  # not as the net they teach
    for name, value in OTHER.items():
        both = Recipe.of({"training": {name: value}})
        teachers = Recipe.of({"teacher_training": {name: value}})
        value = tuple(value) if isinstance(value, list) else value
        assert getattr(both.training, name) == getattr(teachers.teacher_training, name) == value
        assert (getattr(both.teacher_training, name) == value) == (
            name not in own or getattr(Recipe().teacher_training, name) == value
        )
        assert teachers.training == Recipe.of({}).training


def test_without_teachers_there_are_no_generations_and_no_distillation() -> None:
    for without in ({"teachers": 0}, {"generations": 0}):
        found = Recipe.of(without)
        assert (found.teachers, found.generations, found.training.distillation) == (0, 0, 0.0)
        assert found.training.seed == 0
    assert Recipe.of({}).teacher_training == replace(TEACHER, epochs=40)


def test_a_frame_augmentation_that_changes_nothing_is_none() -> None:
    assert Recipe.of({}).frame_augmentation == FrameAugmentConfig()
    nothing = {
        field.name: getattr(NONE, field.name)
        for field in fields(FrameAugmentConfig)
        if field.name != "noise_snr_db"
    }
    assert Recipe.of({"frame_augmentation": nothing}).frame_augmentation is None


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"epochs": 0}, "epochs: expected 1 or more, found 0"),
        ({"epochs": "5"}, "epochs: expected a whole number, found '5'"),
        ({"teacher_epochs": 0}, "teacher_epochs: expected 1 or more, found 0"),
        ({"teachers": -1}, "teachers: expected 0 or more, found -1"),
        ({"generations": 1.5}, "generations: expected a whole number, found 1.5"),
        ({"calibration_clips": 0}, "calibration_clips: expected 1 or more, found 0"),
        ({"seed": -1}, "seed: expected 0 or more, found -1"),
        ({"loud": 2}, "loud: expected a share from 0 to 1, found 2"),
        ({"training": {"unit": 1}}, "training.unit: expected one of net, units, "),
        ({"training": {"units": [8, "x"]}}, "training.units: expected a list, each a whole number"),
        ({"training": {"units": []}}, "training.units: expected one width or more"),
        ({"training": {"keep": "worst"}}, "training.keep: expected one of best, last, found 'wor"),
        ({"training": {"net": "wavenet"}}, "training.net: expected one of .*, found 'wavenet'"),
        (
            {"training": {"net_options": {"depth": 3}}},
            "training.net_options: expected options of net 'lstm', .*dense_units.*, found 'depth'",
        ),
        ({"training": 3}, "training: expected names and values, found 3"),
        ({"training": {"distillation": 0}}, "teachers: expected teachers, .*, found 2, 2 and 0.0"),
        ({"teacher_training": {"dropout": 1}}, "teacher_training.dropout: expected .* found 1.0"),
        ({"frame_augmentation": {"pitch": 1}}, "frame_augmentation.pitch: expected one of shift"),
        ({"frame_augmentation": {"stretch": 1}}, "frame_augmentation: expected .*stretch < 1"),
    ],
)
def test_what_is_wrong_is_refused_by_its_own_name(parameters, said) -> None:
    with pytest.raises(DataError, match=f"^{said}"):
        Recipe.of(parameters)


def test_what_stage_02_wrote_is_read_back(tmp_path) -> None:
    made = small.training_data()
    save(made, tmp_path)
    data = TrainingData.load(tmp_path)
    pd.testing.assert_frame_equal(data.rows, made.rows)
    np.testing.assert_array_equal(data.features, made.features)
    np.testing.assert_array_equal(data.windows, made.windows)
    assert (data.config, data.classes) == (made.config, made.classes)
    assert isinstance(data.features, np.memmap)
    (tmp_path / "features.npy").unlink()
    with pytest.raises(DataError, match=r"features\.npy"):
        TrainingData.load(tmp_path)


def test_a_part_is_its_own_rows_normalised() -> None:
    data = small.training_data()
    shift = Normalisation(np.full(12, 2, np.float32), np.full(12, 4, np.float32))
    rows, inputs = data.part("validation", shift)
    assert set(rows["split"]) == {"validation"} and len(rows) == len(inputs) == 30
    np.testing.assert_allclose(inputs, (data.features[60:90] - 2) / 4, atol=1e-6)
    assert set(data.held_out(shift)[0]["split"]) == {"test"}
    only = replace(data, rows=data.rows[data.rows["split"] != "test"])
    assert set(only.held_out(shift)[0]["split"]) == {"validation"}


def test_missing_bands_are_missed_before_anything_is_trained(tmp_path) -> None:
    save(small.training_data(), tmp_path, windows=False)
    data = TrainingData.load(tmp_path)
    assert data.windows is None
    with pytest.raises(DataError, match=r"frame_augmentation: expected bands .*windows\.npy"):
        one_recipe.train(data, TAUGHT, folder=tmp_path / "model", say=silent)
    assert not (tmp_path / "model").exists()


def test_bands_without_their_pitch_are_missed_too(tmp_path) -> None:
    data = small.training_data()
    sung = replace(data, config=replace(data.config, pitch=True))
    with pytest.raises(DataError, match=r"expected the pitch of every row \(tracks\.npy\)"):
        one_recipe.train(sung, TAUGHT, folder=tmp_path / "model", say=silent)
    save(data, tmp_path)
    np.save(tmp_path / "tracks.npy", data.windows[:, :, :2])
    np.testing.assert_array_equal(TrainingData.load(tmp_path).tracks, data.windows[:, :, :2])


class Whole:
    """One run with a trained teacher, kept for the tests below."""

    def __init__(self, folder: Path) -> None:
        save(small.training_data(), folder)
        self.data = TrainingData.load(folder)
        self.folder = folder / "model"
        self.trained, self.runtime = one_recipe.run(
            self.data, TAUGHT, folder=self.folder, jobs=1, say=silent
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Whole:
    return Whole(tmp_path_factory.mktemp("whole"))


def test_step_by_step_it_is_the_same_net_to_the_byte(whole, tmp_path) -> None:
    """And a teacher that is given teaches what one that is trained on the way does."""
    from ser_tinyml.nets import models

    teacher = models.load_model(whole.folder / "teacher_1")
    trained = one_recipe.train(whole.data, TAUGHT, folder=tmp_path, teachers=[teacher], say=silent)
    assert weights_of(trained) == weights_of(whole.trained)
    converted = one_recipe.convert_int8(trained, whole.data, TAUGHT)
    assert converted.tflite == (whole.folder / "int8.tflite").read_bytes()
    assert set(whole.data.rows["split"].iloc[converted.calibration_rows]) == {"train"}
    assert len(converted.calibration_rows) == TAUGHT.calibration_clips
    decision = one_recipe.decide(TfliteMicroRuntime(converted.tflite), whole.data, trained)
    assert decision == files.read_json(whole.folder / "decision.json")
    assert decision["temperature"] == trained.temperature == whole.trained.temperature


def test_teachers_count(whole, tmp_path) -> None:
    alone = one_recipe.train(whole.data, SMALL, folder=tmp_path, say=silent)
    assert weights_of(alone) != weights_of(whole.trained)
    assert not [*tmp_path.glob("teacher_*")]


def test_the_folder_of_a_run_is_a_release(whole) -> None:
    found = Release.load(whole.folder)
    assert (found.labels, found.config) == (small.CLASSES, small.CONFIG)
    assert found.threshold == files.read_json(whole.folder / "decision.json")["threshold"]
    _, inputs = whole.data.held_out(found.normalisation)
    answers = TfliteMicroRuntime(found.tflite).predict(inputs)
    np.testing.assert_array_equal(answers, whole.runtime.predict(inputs))


def test_what_was_trained_is_read_back(whole, tmp_path) -> None:
    whole.trained.save(tmp_path)
    found = Trained.load(tmp_path)
    assert weights_of(found) == weights_of(whole.trained)
    assert (found.kept_epoch, found.temperature) == (2, whole.trained.temperature)
    np.testing.assert_array_equal(found.normalisation.mean, whole.trained.normalisation.mean)
    pd.testing.assert_frame_equal(found.history, whole.trained.history)
    converted = one_recipe.convert_int8(found, whole.data, TAUGHT)
    assert converted.tflite == (whole.folder / "int8.tflite").read_bytes()
    (tmp_path / one_recipe.FACTS).unlink()
    with pytest.raises(DataError, match=one_recipe.FACTS):
        Trained.load(tmp_path)
