"""The pitch reaches a training beside the bands, and is changed with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ser_tinyml.features import FeatureConfig, frame_augment, frame_values
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.files import DataError
from ser_tinyml.training.batches import Batches, Frames
from ser_tinyml.training.config import TrainingConfig

CONFIG = FeatureConfig(
    name="sung", n_frames=12, n_mels=8, n_mfcc=3, delta_frames=1, stack=2, pitch=True
)
ROWS = 30
OPTIONS = TrainingConfig(
    epochs=3,
    batch_size=16,
    units=(8, 6),
    distillation=0.0,
    loud=0.0,
    input_noise=0.0,
    nonspeech=0.5,
    mixing=0.0,
)


@pytest.fixture(scope="module")
def sung() -> Frames:
    rng = np.random.default_rng(5)
    count = CONFIG.n_frames + 2 * frame_augment.margin(CONFIG)
    bands = rng.normal(-60, 5, (ROWS, count, CONFIG.n_mels)).astype(np.float16)
    tracks = rng.uniform(0, 1, (ROWS, count, 2)).astype(np.float16)
    return Frames(bands, CONFIG, frame_augment.NONE, tracks)


def read(frames: Frames) -> Batches:
    rng = np.random.default_rng(6)
    number = np.arange(ROWS)
    rows = pd.DataFrame(
        {
            "key": [f"clip {n}" for n in number],
            "speaker": [f"speaker {n % 5}" for n in number],
            "emotion": np.array(["calm", "happy"])[number % 2],
            "label_id": number % 2,
            "split": np.where(number < 20, "train", "validation"),
        }
    )
    features = rng.normal(size=(ROWS, *CONFIG.feature_shape)).astype(np.float32)
    return Batches.gather(features, rows, n_classes=2, config=OPTIONS, frames=frames)


def inputs(frames: Frames) -> np.ndarray:
    return read(frames).batch(np.arange(10), np.random.default_rng(0))[0]


def test_unchanged_they_are_the_features_and_sounds_without_speech_have_one_too(sung) -> None:
    found = inputs(sung)
    margin = frame_augment.margin(CONFIG)
    own = slice(margin, margin + CONFIG.n_frames)
    expected = frame_values(
        sung.windows[:10, own].astype(np.float32), sung.tracks[:10, own], CONFIG
    ).reshape(10, *CONFIG.feature_shape)
    normal = read(sung).normalisation
    np.testing.assert_allclose(found[:10], normal.apply(expected), rtol=1e-5, atol=1e-5)
    assert found.shape == (15, *CONFIG.feature_shape)
    voicing = found * normal.std + normal.mean
    voicing = voicing.reshape(15, CONFIG.n_frames, CONFIG.n_values)[10:, :, -2]
    assert (voicing.std(axis=1) > 0.01).all() and 0 <= voicing.min() < voicing.max() <= 1


def test_they_are_drawn_anew_with_the_frames(sung) -> None:
    changed = replace(sung, augmentation=FrameAugmentConfig(shift_frames=2))
    shape = (15, CONFIG.n_frames, CONFIG.n_values)
    before, after = (inputs(frames).reshape(shape)[:10, :, -3:] for frames in (sung, changed))
    assert (before != after).any(axis=(1, 2)).all()


def test_they_count_in_the_identity_and_every_row_has_one(sung) -> None:
    names = [
        read(frames).identity(OPTIONS) for frames in (sung, replace(sung, tracks=sung.tracks[::-1]))
    ]
    assert names[0] != names[1]
    with pytest.raises(DataError, match=f"expected {ROWS} rows of tracks, found {ROWS - 1}"):
        read(replace(sung, tracks=sung.tracks[1:]))
