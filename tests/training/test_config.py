"""How a net is fitted, and how much each class counts in it: as numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ser_tinyml.files import DataError
from ser_tinyml.training.batches import class_weights
from ser_tinyml.training.config import TrainingConfig


@pytest.mark.parametrize(
    "bad",
    [
        *({"epochs": 0}, {"schedule": "linear"}, {"class_weights": "yes"}, {"patience": -1}),
        *({"averaging": 1.0}, {"versions": "two"}, {"steps": "first"}, {"auxiliary": -0.5}),
        *({"between_dropout": 1.0}, {"distillation": 1.5}, {"nonspeech": -1.0}, {"keep": "all"}),
        {"taught_weights": "sqrt"},
    ],
)
def test_a_bad_setting_is_refused(bad) -> None:
    with pytest.raises(DataError, match=next(iter(bad))):
        TrainingConfig(**bad)


def test_class_weights_follow_how_often_a_row_is_seen() -> None:
    ids, share = np.array([0, 0, 0, 1, 1]), np.array([1.0, 1.0, 1.0, 0.5, 0.25])
    weights = class_weights(ids, n_classes=3, kind="balanced", share=share)
    assert weights[1] / weights[0] == pytest.approx(4) and weights[2] == 0
    assert (weights[ids] * share).sum() / share.sum() == pytest.approx(1)


def test_class_weights() -> None:
    ids = np.repeat([0, 1], [90, 10])
    balanced = class_weights(ids, n_classes=2, kind="balanced")
    assert balanced[1] / balanced[0] == pytest.approx(9)
    root = class_weights(ids, n_classes=2, kind="sqrt")
    assert root[1] / root[0] == pytest.approx(3)
    assert (root[ids]).mean() == pytest.approx(1)
    np.testing.assert_array_equal(class_weights(ids, n_classes=2, kind="none"), [1, 1])


@pytest.mark.parametrize(
    ("clips", "batch"), [(3, 4), (18, 4), (40, 10), (400, 100), (512, 128), (9000, 128)]
)
def test_few_clips_get_small_steps(clips, batch) -> None:
    config = TrainingConfig()
    assert config.for_few(clips) == replace(config, batch_size=batch)
    assert TrainingConfig(batch_size=2).for_few(clips).batch_size == 2
