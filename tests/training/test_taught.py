"""What a net is taught beside its labels: by teachers, from outside, for loud copies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_training import (
    CONFIG,
    PLAIN,
    ROWS,
    fit,
    gathered,
    net_of,
    same,
    teacher,
)

from ser_tinyml.files import DataError
from ser_tinyml.nets.keras import tf
from ser_tinyml.training.net import TrainedNet


def test_teachers_are_wanted_where_there_is_distillation_and_only_there(data, tmp_path) -> None:
    for wrong in ({"distillation": 0.5}, {"teachers": [teacher(seed=1)]}):
        with pytest.raises(DataError, match="teachers where distillation is over 0"):
            fit(data, tmp_path, epochs=1, **wrong)


def test_teachers_by_themselves_are_all_that_teaches(data, tmp_path, eager) -> None:
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


def test_loud_copies_are_left_out_where_they_are_not_wanted(loud, tmp_path, eager) -> None:
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
