"""Gaussian mixtures over frames."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ser_tinyml.systems.face import Lesson, Side
from ser_tinyml.systems.parts import mixture_models
from ser_tinyml.systems.parts.mixture_models import NUMBERS, Settings


def test_classes_are_told_apart_and_empty_frames_do_not_count(tmp_path) -> None:
    rng, labels = np.random.default_rng(0), np.arange(24) % 2
    clips = np.zeros((24, 30, 1 + NUMBERS), np.float32)
    clips[:, :20, 0] = 1
    clips[:, :20, 1:] = rng.normal(labels[:, None, None], 1, (24, 20, NUMBERS))
    side = Side(pd.DataFrame({"label_id": labels}), clips)
    lesson = Lesson(
        train=side,
        validation=side,
        classes=["a", "b"],
        seed=0,
        folder=tmp_path,
        say=lambda line: None,
    )
    model = mixture_models.train(lesson, Settings(components=2, rounds=5))
    answers = model.predict(clips)
    np.testing.assert_array_equal(answers.argmax(axis=1), labels)
    np.testing.assert_allclose(model.predict(clips[:, :20]), answers)
    assert model.size()["parameters"] == 2 * 2 * (1 + 2 * NUMBERS)
