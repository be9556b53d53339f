"""Rows that a small net learns in seconds, and how the tests train on them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ser_tinyml.features import FeatureConfig, frame_augment
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.nets import models
from ser_tinyml.nets.keras import make_deterministic
from ser_tinyml.training import fitting
from ser_tinyml.training.batches import Batches, Frames
from ser_tinyml.training.config import TrainingConfig
from ser_tinyml.training.net import TrainedNet

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


def make_data() -> tuple[np.ndarray, pd.DataFrame]:
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


def make_frames(data) -> Frames:
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


def net_of(read: Batches) -> TrainedNet:
    make_deterministic(0)
    return TrainedNet(read, n_classes=4, config=read.config)


def same(one, other) -> bool:
    pairs = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def teacher(seed: int) -> models.keras.Model:
    make_deterministic(seed)
    steps, inputs = CONFIG.feature_shape
    return models.build("lstm", n_frames=steps, n_inputs=inputs, n_classes=4, units=(8, 6))
