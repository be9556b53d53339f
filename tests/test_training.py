"""Training: deterministic, resumable to the bit, honest about its parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ser_tinyml import training
from ser_tinyml.files import DataError
from ser_tinyml.training import Normalisation, TrainingConfig

CLASSES = ["neutral", "happy", "surprise", "unpleasant"]


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, pd.DataFrame]:
    """Rows whose class is a level in one input, so that a net can learn it in a few epochs."""
    rng = np.random.default_rng(3)
    label_id = rng.integers(4, size=240)
    features = rng.normal(size=(240, 6, 3)).astype(np.float32)
    features[:, :, 1] += 2 * label_id[:, None]
    split = np.repeat(["train", "validation", "test"], [160, 40, 40])
    return features, pd.DataFrame({"label_id": label_id, "split": split})


def fit(data, folder, **options):
    features, rows = data
    config = TrainingConfig(**{"epochs": 4, "batch_size": 16, "patience": 0, **options})
    lines = []
    fitted = training.fit(
        features, rows, classes=CLASSES, config=config, folder=folder, say=lines.append
    )
    return fitted, lines


def test_learns_and_says_a_line_an_epoch(data, tmp_path) -> None:
    fitted, lines = fit(data, tmp_path, epochs=6, learning_rate=5e-3)
    assert len(lines) == 6 and len(fitted.history) == 6
    assert fitted.history["validation_uar"].max() > 0.6
    assert fitted.kept_epoch == 1 + fitted.history["validation_uar"].argmax()


def test_an_interrupted_training_ends_at_the_same_weights(data, tmp_path) -> None:
    whole, _ = fit(data, tmp_path / "whole", keep="last")

    class Interrupt(Exception):
        pass

    def interrupt(line: str) -> None:
        if "epoch   2" in line:
            raise Interrupt

    features, rows = data
    config = TrainingConfig(epochs=4, batch_size=16, patience=0, keep="last")
    options = {"classes": CLASSES, "config": config, "folder": tmp_path / "parts"}
    with pytest.raises(Interrupt):
        training.fit(features, rows, say=interrupt, **options)
    lines = []
    resumed = training.fit(features, rows, say=lines.append, **options)
    assert lines[2] == "taken up after epoch 2" and len(lines) == 5
    assert all(f"epoch {n:3d}/4" in line for n, line in enumerate(lines[:2] + lines[3:], start=1))
    for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_finished_training_is_not_repeated_and_other_settings_start_anew(data, tmp_path) -> None:
    first, first_lines = fit(data, tmp_path)
    again, lines = fit(data, tmp_path)
    assert lines[:-1] == first_lines and lines[-1] == "taken up after epoch 4"
    np.testing.assert_array_equal(first.model.get_weights()[0], again.model.get_weights()[0])
    _, lines = fit(data, tmp_path, seed=1)
    assert len(lines) == 4


def test_stops_early(data, tmp_path) -> None:
    fitted, _ = fit(data, tmp_path, epochs=30, patience=1, learning_rate=1e-6, schedule="constant")
    assert len(fitted.history) < 30


def test_validation_and_test_rows_do_not_move_the_normalisation(data, tmp_path) -> None:
    features, rows = data
    features = features.copy()
    features[160:] += 1000
    fitted, _ = fit((features, rows), tmp_path, epochs=1)
    np.testing.assert_allclose(fitted.normalisation.mean, features[:160].mean((0, 1)), rtol=1e-5)


def test_normalisation_survives_its_file(tmp_path) -> None:
    rng = np.random.default_rng(0)
    before = Normalisation.fit(rng.normal(5, 3, size=(20, 4, 2)).astype(np.float32))
    after = Normalisation.load(before.save(tmp_path / "normalisation.json"))
    np.testing.assert_array_equal(before.mean, after.mean)
    np.testing.assert_array_equal(before.std, after.std)
    (tmp_path / "bad.json").write_text('{"mean": [1, 2], "std": [1]}')
    with pytest.raises(DataError, match="bad.json"):
        Normalisation.load(tmp_path / "bad.json")


def test_class_weights() -> None:
    ids = np.repeat([0, 1], [90, 10])
    balanced = training.class_weights(ids, n_classes=2, kind="balanced")
    assert balanced[1] / balanced[0] == pytest.approx(9)
    root = training.class_weights(ids, n_classes=2, kind="sqrt")
    assert root[1] / root[0] == pytest.approx(3)
    assert (root[ids]).mean() == pytest.approx(1)
    np.testing.assert_array_equal(training.class_weights(ids, n_classes=2, kind="none"), [1, 1])


@pytest.mark.parametrize(
    "bad", [{"epochs": 0}, {"schedule": "linear"}, {"class_weights": "yes"}, {"patience": -1}]
)
def test_a_bad_setting_is_refused(bad) -> None:
    with pytest.raises(DataError, match=next(iter(bad))):
        TrainingConfig(**bad)


def test_rows_must_fit(data, tmp_path) -> None:
    features, rows = data
    with pytest.raises(DataError, match="expected 240 rows of features, found 239"):
        fit((features[1:], rows), tmp_path)
    with pytest.raises(DataError, match="validation"):
        fit((features, rows.assign(split="train")), tmp_path)
