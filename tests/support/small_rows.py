"""Rows that are quickly learned, with features and bands: what a recipe makes a net of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ser_tinyml.features import FeatureConfig, cepstra, frame_augment
from ser_tinyml.training.recipe import TrainingData

CLASSES = ["calm", "cross", "glad"]
CONFIG = FeatureConfig(
    name="small", n_frames=12, n_mels=8, n_mfcc=3, delta_frames=1, stack=2, onset_db=9.0
)
COUNTS = {"train": 60, "validation": 30, "test": 12}


def training_data() -> TrainingData:
    """The class is how much louder the lower bands are."""
    rng = np.random.default_rng(3)
    number = np.arange(sum(COUNTS.values()))
    label_id = number % 3
    split = np.repeat([*COUNTS], [*COUNTS.values()])
    rows = pd.DataFrame(
        {
            "row": number,
            "key": [f"RAVDESS/{n}" for n in number],
            "corpus": "RAVDESS",
            "speaker": [f"{side}-{n % 4}" for side, n in zip(split, number, strict=True)],
            "emotion": np.array(CLASSES)[label_id],
            "label": np.array(CLASSES)[label_id],
            "label_id": label_id,
            "variant": "clean",
            "split": split,
        }
    )
    margin = frame_augment.margin(CONFIG)
    bands = rng.normal(-60, 3, (len(rows), CONFIG.n_frames + 2 * margin, CONFIG.n_mels))
    bands[:, :, : CONFIG.n_mels // 2] += 12 * label_id[:, None, None]
    values = cepstra(bands[:, margin : margin + CONFIG.n_frames], CONFIG)
    features = values.reshape(len(rows), *CONFIG.feature_shape).astype(np.float32)
    return TrainingData(rows, features, bands.astype(np.float16), CONFIG, CLASSES)
