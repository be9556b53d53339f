"""Training: deterministic, resumable to the bit, honest about its parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_training import (
    CONFIG,
    EVERYTHING,
    PLAIN,
    TRAIN,
    fit,
    gathered,
    net_of,
    options,
    same,
    teacher,
)

from ser_tinyml.features import cepstra, frame_augment
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.files import DataError
from ser_tinyml.training import batches, fitting
from ser_tinyml.training.net import rounded, step_weight


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


def test_stops_early(data, tmp_path, eager) -> None:
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
