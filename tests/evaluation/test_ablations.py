"""Ablations: each changes one thing, and the table says what it did to the score."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import small_folds
import small_trials as small

from ser_tinyml.evaluation import ablations, trials
from ser_tinyml.evaluation.ablations import Ablation
from ser_tinyml.evaluation.trials import POOL, Settings
from ser_tinyml.features import rows
from ser_tinyml.features.frame_augment import NONE, margin
from ser_tinyml.files import DataError
from ser_tinyml.nets import lstm, models
from ser_tinyml.sound import augment, degrade
from ser_tinyml.workflow import parameters

BASE = ablations.quick(Settings(), epochs=12)
TABLE = ablations.table(BASE)
LARGEST_KB = 180  # of 1024 bytes
FILE_OVERHEAD = 7_700  # bytes of an int8 file that are no weights, as measured

WIDE_KB = 650  # of twice the width; the board has room for 983

every_ablation = pytest.mark.parametrize("ablation", TABLE, ids=lambda ablation: ablation.name)


def test_a_change_is_made_where_its_path_says() -> None:
    change = Ablation(
        "", "", {"features.n_mfcc": 13, "training.steps": "last", "augmented_rows": 2}
    )
    found = change.apply(BASE)
    features = replace(BASE.rows.features, n_mfcc=13)
    training = replace(BASE.recipe.training, steps="last")
    assert found.rows == replace(BASE.rows, features=features, augmented_rows=2)
    assert found.recipe == replace(BASE.recipe, training=training)
    with pytest.raises(TypeError, match="n_mfccs"):
        Ablation("", "", {"features.n_mfccs": 13}).apply(BASE)


def test_the_quick_settings_are_the_default_but_for_what_takes_long() -> None:
    default = Settings()
    assert replace(BASE.rows, augmented_rows=2, loud=default.rows.loud) == default.rows
    training = replace(default.recipe.training, epochs=12, distillation=0.0, loud=0.0)
    taught = replace(default.recipe.teacher_training, epochs=12)
    assert BASE.recipe == replace(
        default.recipe, training=training, teacher_training=taught, teachers=0, generations=0
    )
    assert BASE.rows.augmented_rows == BASE.rows.loud == 0


def test_the_default_comes_first_and_names_are_unique() -> None:
    assert TABLE[0].name == ablations.BASE and TABLE[0].apply(BASE) == BASE
    names = [ablation.name for ablation in TABLE]
    assert len(set(names)) == len(names)
    assert not [name for name in names if "|" in name]  # which stands between names in notebook 08


def test_every_ablation_is_a_trial_of_its_own() -> None:
    settings = [str(ablation.apply(BASE).to_dict()) for ablation in TABLE]
    twice = {name for name in settings if settings.count(name) > 1}
    same = [one.name for one, text in zip(TABLE, settings, strict=True) if text in twice]
    assert same == []  # where the default changes, a line can come to mean what another does


def flat(settings: Settings) -> dict[str, object]:
    """Fields of rows and recipe side by side; those that both have are alike in ablations."""
    parts = asdict(settings)
    return {**parts.pop("recipe"), **parts.pop("rows"), **parts}


@every_ablation
def test_an_ablation_changes_no_more_than_its_group_says(ablation) -> None:
    found, base = (flat(settings) for settings in (ablation.apply(BASE), BASE))
    changed = {name for name in base if found[name] != base[name]}
    allowed = {
        ablations.BASE: set(),
        "features": {"features"},
        "alignment": {"features", "frame_augmentation"},
        "level": {"features"},
        "augmentation": {"frame_augmentation", "augmented_rows", "waveform_augmentation"},
        "training": {"training"},
        "corpora": {"corpora"},
        "speakers": {"speaker_share", "training"},
        "context": {"features"},
        "int8": {"training"},
        "distillation": {
            *("training", "teachers", "generations", "teacher_training", "augmented_rows"),
        },
        "copies": {"training", "augmented_rows"},
        "width": {"training", "augmented_rows"},
    }
    assert changed <= allowed[ablation.group]


def test_the_learning_curve_differs_in_copies_alone() -> None:
    curve = [a.apply(BASE) for a in TABLE if a.group == "copies"]
    assert [one.rows.augmented_rows for one in curve] == list(ablations.COPIES)
    assert len({str(replace(one, rows=BASE.rows).to_dict()) for one in curve}) == 1
    (wide,) = (a.apply(BASE) for a in TABLE if a.group == "width")
    (narrow,) = (one for one in curve if one.rows.augmented_rows == wide.rows.augmented_rows)
    assert wide.recipe.training.units == (256, 128)
    assert replace(wide, recipe=narrow.recipe) == narrow


def test_pitch_is_taken_off_or_added_and_both_can_be_asked_for() -> None:
    features = replace(BASE.rows.features, pitch=True)
    with_pitch = replace(BASE, rows=replace(BASE.rows, features=features))
    for base in (BASE, with_pitch):
        table = ablations.table(base)
        name = ablations.PITCH[base.rows.features.pitch]
        (found,) = (a.apply(base).rows.features.pitch for a in table if a.name == name)
        assert found != base.rows.features.pitch
        assert {a.name for a in table} <= set(ablations.names())


def test_fewer_speakers_train_for_as_many_steps() -> None:
    found = [a.apply(BASE) for a in TABLE if a.group == "speakers"]
    assert len(found) == 3
    for one in found:
        epochs = round(12 / one.rows.speaker_share)
        assert one.recipe.training == replace(BASE.recipe.training, epochs=epochs)


def test_only_one_kind_of_augmentation_is_only_that() -> None:
    only = [a for a in TABLE if a.name.startswith("only ") and a.group == "augmentation"]
    found = {a.name: a.apply(BASE).recipe.frame_augmentation for a in only}
    frames = {name: one for name, one in found.items() if one is not None}
    assert len(frames) == 5 and len(found) == 6  # the sixth is on waveforms
    copies = {a.name: a.apply(BASE).rows.augmented_rows for a in only}
    assert all((copies[name] == 0) == (name in frames) for name in found)
    kept = []
    for one in frames.values():
        changed = [
            name
            for name, value in asdict(one).items()
            if name != "noise_snr_db" and value != getattr(NONE, name)
        ]
        assert len(changed) == 1
        assert getattr(one, changed[0]) == getattr(BASE.recipe.frame_augmentation, changed[0])
        kept += changed
    assert len(set(kept)) == 5


@every_ablation
def test_an_ablation_can_be_trained(ablation, monkeypatch) -> None:
    small_folds.deal(monkeypatch, demo_clips())
    settings = ablation.apply(BASE)
    recipe = settings.recipe
    taught = recipe.teachers > 0 or recipe.training.outside > 0
    assert taught == (recipe.training.distillation > 0)
    if recipe.frame_augmentation is not None:
        assert recipe.frame_augmentation.shift_frames <= margin(settings.rows.features)
    plan = rows.plan_rows(demo_clips(), replace(settings.rows, protocol="development"))
    assert {"train", "validation"} == set(plan["split"])


def test_every_ablation_of_the_released_recipe_and_its_teachers_can_be_made() -> None:
    released = ablations.quick(Settings.of(parameters.experiment("release")), epochs=12)
    assert released.rows.features.pitch
    for ablation in ablations.table(released):
        settings = ablation.apply(released)
        assert len(trials.teachers_of(settings)) == (
            settings.recipe.teachers * settings.recipe.generations
        )


@every_ablation
def test_what_is_for_a_board_fits_it(ablation) -> None:
    settings = ablation.apply(BASE)
    features, units = settings.rows.features, settings.recipe.training.units
    steps, inputs = features.feature_shape
    biases = sum(4 * width for width in units) + 64 + 4
    file_bytes = (
        parameter_count(steps, inputs, units) + 3 * biases + FILE_OVERHEAD
    )  # a bias has four bytes
    assert features.causal == (ablation.group != "level" and not no_board(ablation))
    assert file_bytes < (WIDE_KB if ablation.group == "width" else LARGEST_KB) * 1024
    seconds = steps * features.stack * features.hop_length / 16_000
    assert 1.9 < seconds < 4.1


@cache
def parameter_count(steps: int, inputs: int, units: tuple[int, ...]) -> int:
    """Of the net that these inputs and widths make."""
    net = lstm.build_lstm(n_frames=steps, n_inputs=inputs, n_classes=4, units=units)
    return models.parameters_and_macs(net)["parameters"]


def no_board(ablation: Ablation) -> bool:
    return ablation.name in ("40 log mel bands", "PCEN, then MFCC and changes")


def demo_clips() -> pd.DataFrame:
    """Ten speakers of RAVDESS and CREMA-D, four of SAVEE, two of TESS; a clip an emotion."""
    speakers = [("RAVDESS", f"{n:02d}", "male" if n % 2 else "female") for n in range(1, 11)]
    speakers += [("CREMA-D", f"{n}", "male" if n % 2 else "female") for n in range(1001, 1011)]
    speakers += [("SAVEE", name, "male") for name in ("DC", "JE", "JK", "KL")]
    speakers += [("TESS", name, "female") for name in ("OAF", "YAF")]
    emotions = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"]
    return pd.DataFrame(
        {
            "key": f"{corpus}/{speaker}-{emotion}",
            "corpus": corpus,
            "speaker": f"{corpus}-{speaker}",
            "sex": sex,
            "emotion": emotion,
        }
        for corpus, speaker, sex in speakers
        for emotion in emotions[: 6 if corpus == "CREMA-D" else 7]
    )


def test_without_frames_there_is_nothing_to_ablate() -> None:
    with pytest.raises(DataError, match="expected a default with frame augmentation, found none"):
        ablations.table(replace(BASE, recipe=replace(BASE.recipe, frame_augmentation=None)))


def test_too_loud_is_the_gain_that_is_tested() -> None:
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.3, 0.3, size=4000)
    found = augment.augment(
        samples, rng, config=ablations.TOO_LOUD, sample_rate=degrade.RATE, backgrounds=[]
    )
    tested = degrade.CONDITIONS[ablations.DEGRADED["uar_loud"]].change(samples, rng)
    assert np.abs(tested).max() == 1
    np.testing.assert_allclose(found, tested, atol=2 / 32768)


def test_an_unknown_name_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="expected one of .*'2 s'.* found '3 s'"):
        ablations.run(small.material(tmp_path), BASE, names=["2 s", "3 s"])


def test_a_line_is_the_mean_over_seeds_and_noise_is_for_the_board(tmp_path, monkeypatch) -> None:
    """The default is right on all; absolute levels are right with seed 0 and never with seed 1."""
    asked, noisy = [], []
    truth = small.table()["label_id"]

    def run(material, settings, *, jobs=None):
        asked.extend(settings)
        folders = []
        for number, one in enumerate(settings):
            absolute = one.rows.features.level == "absolute"
            label_id = (truth + 1) % 3 if absolute and one.rows.seed else truth
            folders.append(
                small.write(
                    tmp_path / f"{number}",
                    test=small.sure(label_id),
                    float_test=small.sure(truth),
                    bytes=5000 + absolute,
                )
            )
        return folders

    def robustness(material, trial_folders, *, conditions, jobs=None, progress=True):
        assert list(conditions) == list(ablations.DEGRADED.values())
        noisy.extend(path.name for path in trial_folders if progress)
        numbers = [0.1 * int(path.name) for path in trial_folders]
        lines = [
            {"condition": name, "part": part, "uar": n + 0.5 * name.startswith("gain")}
            for n in numbers
            for part in (POOL, "RAVDESS")
            for name in conditions
        ]
        return pd.DataFrame(lines)

    monkeypatch.setattr(trials, "run", run)
    monkeypatch.setattr(ablations.listening, "robustness", robustness)
    names = ["absolute dB", "default"]
    found = ablations.run(small.material(tmp_path), BASE, names=names, seeds=[0, 1])
    assert {(one.rows.protocol, one.rows.seed, one.recipe.training.seed) for one in asked} == {
        ("development", 0, 0),
        ("development", 1, 1),
    }
    assert list(found["name"]) == names and list(found["group"]) == ["level", "default"]
    absolute, default = (line for _, line in found.iterrows())
    assert (absolute["uar"], default["uar"]) == (0.5, 1)
    assert (absolute["uar_low"], absolute["uar_high"], default["uar_low"]) == (0, 1, 1)
    assert (absolute["uar_TESS"], default["uar_TESS"]) == (0.5, 1)
    assert (absolute["accuracy"], default["accuracy"], default["macro_f1"]) == (0.5, 1, 1)
    recalls = [f"recall_{name}" for name in small.CLASSES]
    assert list(absolute[recalls]) == [0.5, 0.5, 0.5]
    assert default["majority_uar"] == pytest.approx(1 / 3)
    assert (absolute["float_uar"], default["float_uar"]) == (1, 1)
    assert (absolute["bytes"], default["bytes"]) == (5001, 5000)
    assert noisy == ["2", "3"]
    assert (default["uar_noise"], default["uar_loud"]) == pytest.approx((0.25, 0.75))
    assert np.isnan(absolute["uar_noise"]) and np.isnan(absolute["uar_loud"])
