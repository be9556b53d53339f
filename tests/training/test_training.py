"""Training: deterministic, resumable to the bit, honest about its parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ser_tinyml.features import FeatureConfig, cepstra, frame_augment
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.files import DataError
from ser_tinyml.nets import models
from ser_tinyml.nets.keras import make_deterministic, tf
from ser_tinyml.training import batches, fitting
from ser_tinyml.training.batches import Batches, Frames
from ser_tinyml.training.config import TrainingConfig
from ser_tinyml.training.net import TrainedNet, rounded, step_weight

CLASSES = ["neutral", "happy", "surprise", "unpleasant"]
CONFIG = FeatureConfig(
    name="small", n_frames=12, n_mels=8, n_mfcc=3, delta_frames=1, stack=2, level="absolute"
)
ROWS, TRAIN, VALIDATION = 160, 100, 40
PLAIN = {  # nothing that is drawn, averaged or weighted
    **{"averaging": 0.0, "class_weights": "none", "versions": "all", "speaker_clips": 0},
    **{"label_smoothing": 0.0, "steps": "last", "auxiliary": 0.0, "input_noise": 0.0},
    **{"normalise": False, "dropout": 0.0, "between_dropout": 0.0, "schedule": "constant"},
    "mixing": 0.0,
}
EVERYTHING = {
    **{"nonspeech": 0.2, "speaker_clips": 20, "averaging": 0.9, "between_dropout": 0.2},
    "mixing": 0.5,
}


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, pd.DataFrame]:
    """Rows whose class is a level in one input, so that a net can learn it in a few epochs.

    Two versions of each clip stand side by side; every fifth training clip is of no class.
    """
    rng = np.random.default_rng(3)
    clip = np.arange(ROWS) // 2
    label_id = rng.integers(4, size=ROWS // 2)[clip]
    features = rng.normal(size=(ROWS, *CONFIG.feature_shape)).astype(np.float32)
    features[:, :, 1] += 2 * label_id[:, None]
    split = np.repeat(["train", "validation", "test"], [TRAIN, VALIDATION, ROWS - 140])
    emotion = np.array(["calm", "happy", "surprise", "sad"])[label_id]
    other = (split == "train") & (clip % 5 == 0)
    return features, pd.DataFrame(
        {
            "key": [f"clip {number}" for number in clip],
            "speaker": [f"speaker {number // 20}" for number in clip],
            "emotion": np.where(other, "fear", emotion),
            "label_id": np.where(other, -1, label_id),
            "split": split,
        }
    )


@pytest.fixture(scope="module")
def frames(data) -> Frames:
    """Bands, and a class that is how loud they are."""
    count = CONFIG.n_frames + 2 * frame_augment.margin(CONFIG)
    bands = np.random.default_rng(4).normal(-60, 5, (ROWS, count, CONFIG.n_mels))
    bands += 6 * data[1]["label_id"].to_numpy()[:, None, None]
    return Frames(bands.astype(np.float16), CONFIG, FrameAugmentConfig(shift_frames=2))


def options(**changes) -> TrainingConfig:
    own = {"epochs": 3, "batch_size": 16, "units": (8, 6), "distillation": 0.0}
    own["loud"] = 0.0
    return TrainingConfig(**own | changes)


def fit(data, folder, *, frames=None, teachers=(), answers=None, say=None, **changes):
    features, rows = data
    lines = []
    fitted = fitting.fit(
        features,
        rows,
        classes=CLASSES,
        config=options(**changes),
        folder=folder,
        frames=frames,
        teachers=teachers,
        outside=answers,
        say=say or lines.append,
    )
    return fitted, lines


def gathered(data, frames=None, *, answers=None, heard=False, **changes) -> Batches:
    features, rows = data
    config = options(**changes)
    return Batches.gather(
        features, rows, n_classes=4, config=config, frames=frames, outside=answers, taught=heard
    )


@pytest.fixture
def eager() -> Iterator[None]:
    """For single steps, which building a graph takes longer than."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def net_of(read: Batches) -> TrainedNet:
    make_deterministic(0)
    return TrainedNet(read, n_classes=4, config=read.config)


def same(one, other) -> bool:
    pairs = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_learns_says_a_line_an_epoch_and_is_not_repeated(data, tmp_path) -> None:
    changes = {**PLAIN, "epochs": 5, "learning_rate": 3e-2, "keep": "best"}
    fitted, lines = fit(data, tmp_path, **changes)
    assert len(lines) == 5 and len(fitted.history) == 5
    assert fitted.history["validation_uar"].max() > 0.6
    assert fitted.kept_epoch == 1 + fitted.history["validation_uar"].argmax()
    again, more = fit(data, tmp_path, **changes)
    assert more[:-1] == lines and more[-1] == "taken up after epoch 5"
    assert same(fitted, again)


def test_rows_are_mixed_with_what_they_are_to_answer() -> None:
    rng = np.random.default_rng(0)
    x, weight, rows = rng.normal(size=(400, 3, 2)), rng.random(400), np.eye(400)
    mixed_x, mixed_weight, part = batches._mixed([x, weight, rows], rng, share=0.25)
    own = part.diagonal()
    assert own.min() >= 0.5 and part.min() >= 0 and np.allclose(part.sum(axis=1), 1)
    assert ((part > 0).sum(axis=1) <= 2).all() and 0.15 < (own < 1).mean() < 0.35
    assert np.allclose(mixed_x, np.tensordot(part, x, axes=1))
    assert np.allclose(mixed_weight, part @ weight)


def test_an_interrupted_training_ends_at_the_same_weights(data, frames, tmp_path) -> None:
    """With all that is drawn: versions, frames, noise, dropout, sounds that are no speech."""

    class Interrupt(Exception):
        pass

    def interrupt(line: str) -> None:
        if "epoch   2" in line:
            raise Interrupt

    changes = {"frames": frames, **EVERYTHING}
    whole, _ = fit(data, tmp_path / "whole", **changes)
    with pytest.raises(Interrupt):
        fit(data, tmp_path / "parts", say=interrupt, **changes)
    resumed, lines = fit(data, tmp_path / "parts", **changes)
    assert lines[2] == "taken up after epoch 2" and len(lines) == 4
    assert all(f"epoch {n:3d}/3" in line for n, line in enumerate(lines[:2] + lines[3:], start=1))
    assert same(whole, resumed)


def test_what_was_trained_with_something_else_is_not_taken_up(data, frames) -> None:
    def identity(data=data, frames=frames, teachers=(), **changes) -> str:
        return gathered(data, frames, **changes).identity(options(**changes), teachers)

    features, rows = data
    one, other = teacher(seed=1), teacher(seed=2)
    others = [
        identity(seed=1),
        identity(frames=replace(frames, windows=frames.windows + np.float16(1))),
        identity(frames=replace(frames, augmentation=FrameAugmentConfig(shift_frames=1))),
        identity(data=(features, rows.assign(emotion=rows["speaker"]))),
        identity(data=(features, rows.assign(speaker=rows["key"]))),
        identity(data=(features + 1, rows)),
        identity(frames=None),
        identity(teachers=[one]),
        identity(teachers=[other]),
        identity(teachers=[one, other]),
    ]
    assert identity() == identity()
    assert len({identity(), *others}) == 1 + len(others)


def test_stops_early(data, tmp_path) -> None:
    fitted, _ = fit(data, tmp_path, epochs=30, patience=1, learning_rate=1e-6, schedule="constant")
    assert len(fitted.history) < 30


def test_validation_and_test_rows_do_not_move_the_normalisation(data) -> None:
    features, rows = data
    features = features.copy()
    features[TRAIN:] += 1000
    mean = gathered((features, rows)).normalisation.mean
    np.testing.assert_allclose(mean, features[:TRAIN].mean((0, 1)), rtol=1e-4)


def test_of_each_clip_one_version_an_epoch_and_in_time_both(data) -> None:
    read = gathered(data, speaker_clips=0)
    epochs = [read.epoch(np.random.default_rng(n)) for n in range(8)]
    for rows in epochs:
        assert sorted(rows // 2) == list(range(TRAIN // 2))
    assert set(np.concatenate(epochs)) == set(range(TRAIN))
    assert sorted(
        gathered(data, versions="all", speaker_clips=0).epoch(np.random.default_rng(0))
    ) == list(range(TRAIN))


def test_no_speaker_has_more_clips_an_epoch_than_asked(data) -> None:
    """Speakers 0 and 1 have twenty training clips, speaker 2 has ten."""
    read = gathered(data, speaker_clips=12)
    epochs = [read.epoch(np.random.default_rng(n)) for n in range(20)]
    for rows in epochs:
        assert np.bincount(rows // 2 // 20).tolist() == [12, 12, 10]
    assert set(np.concatenate(epochs)) == set(range(TRAIN))


def test_frames_are_new_in_every_epoch_and_reach_the_net_as_features(data, frames) -> None:
    rows = np.arange(10)
    read = gathered(data, frames, input_noise=0.0)
    first, second = (read.batch(rows, np.random.default_rng(n))[0] for n in (0, 1))
    assert (first != second).any(axis=(1, 2)).all()
    still = gathered(data, replace(frames, augmentation=frame_augment.NONE), input_noise=0.0)
    found = still.batch(rows, np.random.default_rng(0))[0]
    margin = frame_augment.margin(CONFIG)
    own = frames.windows[rows, margin : margin + CONFIG.n_frames].astype(np.float32)
    expected = cepstra(own, CONFIG).reshape(found.shape)
    np.testing.assert_allclose(found, still.normalisation.apply(expected), rtol=1e-5, atol=1e-5)


def test_rows_of_no_class_move_the_emotions_alone(data, eager) -> None:
    read = gathered(data, **{**PLAIN, "auxiliary": 1.0, "label_smoothing": 0.1})
    others = np.flatnonzero(data[1]["label_id"][:TRAIN] < 0)
    net = net_of(read)
    layers = {name: net.trained.get_layer(name) for name in ("probabilities", "dense", "auxiliary")}
    before = {name: layer.get_weights() for name, layer in layers.items()}
    arrays = read.batch(others, np.random.default_rng(0))
    assert net.step(arrays) == 0
    moved = {
        name: any(
            not np.array_equal(a, b) for a, b in zip(before[name], layer.get_weights(), strict=True)
        )
        for name, layer in layers.items()
    }
    assert moved == {"probabilities": False, "dense": True, "auxiliary": True}
    mine = np.setdiff1d(np.arange(TRAIN), others)
    assert net.step(read.batch(mine, np.random.default_rng(0))) > 0


def test_without_the_auxiliary_answer_rows_of_no_class_move_nothing(data, eager) -> None:
    read = gathered(data, **{**PLAIN, "label_smoothing": 0.1})
    others = np.flatnonzero(data[1]["label_id"][:TRAIN] < 0)
    net = net_of(read)
    before = net.trained.get_weights()
    assert net.step(read.batch(others, np.random.default_rng(0))) == 0
    for old, new in zip(before, net.trained.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_counts_is_the_running_average_or_the_weights_themselves(data, eager) -> None:
    for averaging, first_decay in ((0.0, 0.0), (0.1, 0.1), (0.998, 2 / 11)):
        read = gathered(data, **{**PLAIN, "averaging": averaging})
        net = net_of(read)
        before = net.model.get_weights()
        net.step(read.batch(np.arange(40), np.random.default_rng(0)))
        net.use_average()
        trained = [variable.numpy() for variable in net.own]
        assert not np.array_equal(before[0], trained[0])
        for old, new, counts in zip(before, trained, net.model.get_weights(), strict=True):
            expected = first_decay * old + (1 - first_decay) * new
            np.testing.assert_allclose(counts, expected, rtol=1e-6, atol=1e-7)


def test_the_loss_of_all_steps_is_that_of_each_with_the_last_before_all(data, eager) -> None:
    weight = step_weight(8, "all")
    assert weight.sum() == pytest.approx(1) and not weight[:2].any()
    assert (np.diff(weight[2:]) > 0).all() and weight[-1] == pytest.approx(3 * weight[-2], rel=0.2)
    assert step_weight(8, "last").tolist() == [0] * 7 + [1]
    read = gathered(data, **PLAIN)
    mine = np.flatnonzero(data[1]["label_id"][:TRAIN] >= 0)
    net = net_of(read)
    found = fitting.predict(net.model, read.batch(mine, np.random.default_rng(0))[0])
    right = found[np.arange(len(mine)), data[1]["label_id"].to_numpy()[mine]]
    loss = net.step(read.batch(mine, np.random.default_rng(0)))
    assert loss == pytest.approx(-np.log(right).mean(), rel=1e-5)


def test_weights_are_rounded_as_int8_rounds_them_while_a_gradient_is_taken(data, eager) -> None:
    batch = gathered(data, **PLAIN).batch(np.arange(40), np.random.default_rng(0))
    nets = {}
    for name, int8 in (("exact", False), ("by hand", False), ("in training", True)):
        nets[name] = net_of(gathered(data, **{**PLAIN, "int8_weights": int8}))
    before = [variable.numpy() for variable in nets["exact"].own]
    on_grid = [rounded(variable).numpy() for variable in nets["exact"].own]
    for old, new in zip(before, on_grid, strict=True):
        if old.ndim == 1:
            np.testing.assert_array_equal(old, new)  # biases have 32 bits
        else:
            steps = new / (abs(old).max() / 127)
            np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
            assert abs(new - old).max() <= abs(old).max() / 254 * 1.001
            assert not np.array_equal(old, new)
    for variable, value in zip(nets["by hand"].own, on_grid, strict=True):
        variable.assign(value)
    loss = {name: net.step(batch) for name, net in nets.items()}
    assert loss["in training"] == loss["by hand"] != loss["exact"]
    kept = [variable.numpy() for variable in nets["in training"].own]
    by_hand = [variable.numpy() for variable in nets["by hand"].own]
    for old, grid, one, other in zip(before, on_grid, kept, by_hand, strict=True):
        np.testing.assert_allclose(one - old, other - grid, atol=1e-6)  # the exact weight moves


def teacher(seed: int) -> models.keras.Model:
    make_deterministic(seed)
    steps, inputs = CONFIG.feature_shape
    return models.build("lstm", n_frames=steps, n_inputs=inputs, n_classes=4, units=(8, 6))


def test_teachers_are_wanted_where_there_is_distillation_and_only_there(data, tmp_path) -> None:
    for wrong in ({"distillation": 0.5}, {"teachers": [teacher(seed=1)]}):
        with pytest.raises(DataError, match="teachers where distillation is over 0"):
            fit(data, tmp_path, epochs=1, **wrong)


def test_teachers_by_themselves_are_all_that_teaches(data, tmp_path) -> None:
    features, rows = data
    fast = {**PLAIN, "epochs": 5, "learning_rate": 3e-2}
    right, _ = fit(data, tmp_path / "right", **fast)
    wrong = (3 - rows["label_id"]).where((rows["label_id"] >= 0) & (rows["split"] == "train"))
    lied = rows.assign(label_id=wrong.fillna(rows["label_id"]).astype(int))
    misled, _ = fit((features, lied), tmp_path / "misled", **fast)
    taught, _ = fit(
        (features, lied), tmp_path / "taught", teachers=[right.model], **fast, distillation=1.0
    )
    assert misled.history["validation_uar"].max() < 0.4
    assert taught.history["validation_uar"].max() > 0.6


def test_teachers_hear_what_the_net_hears_and_their_mean_logit_counts(data, eager) -> None:
    read = gathered(data, distillation=0.5)
    nets = [teacher(seed=1), teacher(seed=2)]
    net = TrainedNet(read, n_classes=4, config=read.config, teachers=nets)
    inputs = np.random.default_rng(0).normal(size=(5, *CONFIG.feature_shape)).astype(np.float32)
    found = net._taught(inputs).numpy()
    last = np.mean([np.log(one.predict_on_batch(inputs)) for one in nets], axis=0)
    np.testing.assert_allclose(
        found[:, -1], np.exp(last) / np.exp(last).sum(axis=1, keepdims=True), atol=1e-5
    )
    assert found.shape == (5, CONFIG.feature_shape[0], 4)
    own = {id(variable) for variable in net.trained.trainable_variables}
    assert not own & {id(variable) for one in net.teachers for variable in one.variables}


@pytest.mark.parametrize("kind", ["none", "balanced"])
def test_what_is_taught_weighs_with_the_class_of_a_row_if_it_has_one(data, eager, kind) -> None:
    read = gathered(data, distillation=1.0, taught_weights=kind, steps="last")
    net = TrainedNet(read, n_classes=4, config=read.config, teachers=[teacher(seed=1)])
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(3, *CONFIG.feature_shape)).astype(np.float32)
    logits = rng.normal(size=(3, CONFIG.feature_shape[0], 4)).astype(np.float32)
    lesson, none = net._taught(inputs), tf.zeros(3)
    one = slice(0, 1), slice(1, 2), slice(2, 3)
    alone = [
        float(net._taught_loss(lesson[n], logits[n], tf.constant([1.0]), none[n])) for n in one
    ]
    together = float(net._taught_loss(lesson, logits, tf.constant([0.5, 3.0, 0.0]), none))
    counts = [0.5, 3.0, 1.0] if kind == "balanced" else [1.0, 1.0, 1.0]
    assert together == pytest.approx(np.mean(np.multiply(alone, counts)), rel=1e-4)


def outside_answers(rows: pd.DataFrame) -> np.ndarray:
    """Half sure of the class after the right one; nothing about every third row."""
    found = np.full((len(rows), 4), 1 / 6, np.float32)
    found[np.arange(len(rows)), (rows["label_id"] + 1) % 4] = 0.5
    found[::3] = np.nan
    return found


def test_an_answer_from_outside_counts_as_much_as_it_is_told_to(data, eager) -> None:
    _, rows = data
    answers = outside_answers(rows)
    wanted = {"distillation": 1.0, "outside": 0.7, "label_smoothing": 0.1}
    read = gathered(data, answers=answers, **PLAIN | wanted)
    batch = np.arange(12)
    inputs, heard, target, weight, _, _, outside, share = read.batch(
        batch, np.random.default_rng(0)
    )
    places = read.train[batch]
    unlabelled = rows["label_id"].to_numpy()[places] < 0
    expected = np.where(places % 3 == 0, 0, np.where(unlabelled, 1, 0.7))
    np.testing.assert_allclose(share, expected)
    net = net_of(read)
    labels = target * 0.9 + 0.025
    lesson = net._lesson(heard, tf.constant(labels)[:, None], outside, tf.constant(share)).numpy()
    known = np.nan_to_num(answers[places])
    wanted = expected[:, None] * known + (1 - expected[:, None]) * labels
    np.testing.assert_allclose(lesson[:, -1], wanted, atol=1e-6)
    none = unlabelled & (places % 3 == 0)
    assert (np.asarray(net._unlabelled(tf.constant(share)))[none] == 0).all()


def test_a_net_learns_from_outside_what_no_label_says(data, tmp_path) -> None:
    """Lies for labels, the truth from outside: the truth is learnt."""
    features, rows = data
    truth = rows["label_id"].clip(lower=0).to_numpy()
    answers = np.eye(4, dtype=np.float32)[truth]
    wrong = (3 - rows["label_id"]).where((rows["label_id"] >= 0) & (rows["split"] == "train"))
    lied = rows.assign(label_id=wrong.fillna(rows["label_id"]).astype(int))
    fast = {**PLAIN, "epochs": 5, "learning_rate": 3e-2, "distillation": 1.0, "outside": 1.0}
    taught, _ = fit((features, lied), tmp_path, answers=answers, **fast)
    assert taught.history["validation_uar"].max() > 0.6


@pytest.fixture
def loud(data) -> tuple[np.ndarray, pd.DataFrame]:
    """The second version of each clip is its loud copy, which sounds of another class."""
    features, rows = data
    copies = np.arange(ROWS) % 2 == 1
    features = features.copy()
    features[copies, :, 1] += 2
    return features, rows.assign(variant=np.where(copies, "loud", "clean"))


def test_teachers_hear_the_clip_itself_where_the_net_hears_the_loud_copy(loud, frames) -> None:
    rows = np.arange(20)
    quiet = {"loud": 0.5, "input_noise": 0.0}
    inputs, heard, *_ = gathered(loud, heard=True, **quiet).batch(rows, np.random.default_rng(0))
    np.testing.assert_array_equal(heard, inputs[rows // 2 * 2])
    assert (inputs[1::2] != heard[1::2]).any(axis=(1, 2)).all()
    inputs, heard, *_ = gathered(loud, heard=True, loud=0.5).batch(rows, np.random.default_rng(0))
    np.testing.assert_array_equal(heard[::2], inputs[::2])  # and the same noise
    read = gathered(loud, frames, heard=True, **quiet)
    itself = replace(frames, windows=frames.windows[np.arange(ROWS) // 2 * 2])
    expected = replace(read, frames=itself).batch(rows, np.random.default_rng(0))
    found = read.batch(rows, np.random.default_rng(0))
    np.testing.assert_array_equal(found[1], expected[0])  # changed alike
    assert not np.array_equal(found[0], expected[0])


def test_what_the_teachers_hear_is_what_is_taught(loud, eager, monkeypatch) -> None:
    read = gathered(loud, heard=True, distillation=1.0, auxiliary=0.0, loud=0.5)
    net = TrainedNet(read, n_classes=4, config=read.config, teachers=[teacher(seed=1)])
    arrays = read.batch(np.arange(20), np.random.default_rng(0))
    asked, own = [], net._taught
    monkeypatch.setattr(net, "_taught", lambda inputs: asked.append(inputs) or own(inputs))
    net.step(arrays)
    np.testing.assert_array_equal(asked[0], arrays[1])


def test_a_share_of_an_epoch_is_loud(loud) -> None:
    """And clips, order and speakers are those of an epoch without."""
    for share in (0.0, 0.3, 1.0):
        read = gathered(loud, loud=share, speaker_clips=12)
        found = np.concatenate([read.epoch(np.random.default_rng(n)) for n in range(20)])
        plain = gathered(loud, loud=0.0, speaker_clips=12)
        expected = np.concatenate([plain.epoch(np.random.default_rng(n)) for n in range(20)])
        clips = [read.clip[found], plain.clip[expected]]
        np.testing.assert_array_equal(*clips)
        copies = loud[1]["variant"].to_numpy()[read.train[found]] == "loud"
        assert copies.mean() == pytest.approx(share, abs=0.05)


def test_loud_copies_are_left_out_where_they_are_not_wanted(loud, tmp_path) -> None:
    features, rows = loud
    without, _ = fit(loud, tmp_path / "without")
    quiet = ~((rows["variant"] == "loud") & (rows["split"] == "train")).to_numpy()
    alone = (features[quiet], rows[quiet].reset_index(drop=True))
    assert same(without, fit(alone, tmp_path / "alone")[0])
    assert not same(without, fit(loud, tmp_path / "loud", loud=0.5)[0])
    mean = gathered(loud, loud=0.5).normalisation.mean
    np.testing.assert_array_equal(mean, gathered(loud).normalisation.mean)


@pytest.mark.parametrize(("row", "version"), [(6, "clean"), (7, "loud")])
def test_a_clip_and_its_loud_copy_stand_together(loud, row, version) -> None:
    features, rows = loud
    lacking = (np.delete(features, row, axis=0), rows.drop(index=row).reset_index(drop=True))
    with pytest.raises(DataError, match=f"expected the version '{version}' of clip 3 too"):
        gathered(lacking, loud=0.5)


def test_rows_must_fit(data, frames, tmp_path) -> None:
    features, rows = data
    with pytest.raises(DataError, match="expected 160 rows of features, found 159"):
        fit((features[1:], rows), tmp_path)
    with pytest.raises(DataError, match="expected 160 rows of frames, found 159"):
        fit(data, tmp_path, frames=replace(frames, windows=frames.windows[1:]))
    with pytest.raises(DataError, match="validation"):
        fit((features, rows.assign(split="train")), tmp_path)
    for column in ("key", "speaker", "emotion"):
        with pytest.raises(DataError, match=f"expected a column '{column}'"):
            fit((features, rows.drop(columns=column)), tmp_path)
    with pytest.raises(DataError, match="expected a column 'variant'"):
        fit(data, tmp_path, loud=0.5)
