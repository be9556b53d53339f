"""Training reads its rows from the disk: ten times as many take no more memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ser_tinyml.features import FeatureConfig, frame_augment
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.features.normalisation import blocks
from ser_tinyml.training.batches import Batches, Frames
from ser_tinyml.training.config import TrainingConfig

CONFIG = FeatureConfig(name="small", n_frames=24, n_mels=20, n_mfcc=20)
MARGIN = frame_augment.margin(CONFIG)
ROW_BYTES = 4 * int(np.prod(CONFIG.feature_shape))


def most_memory(folder: Path, count: int, *, with_frames: bool) -> int:
    """Bytes that a look at all rows, as a training takes it, has held at most.

    The arrays are files of zeros that take no room on the disk.
    """
    shapes = {
        "features": (np.float32, CONFIG.feature_shape),
        "windows": (np.float16, (CONFIG.n_frames + 2 * MARGIN, CONFIG.n_mels)),
    }
    arrays = {
        name: np.memmap(folder / name, dtype, "w+", shape=(count, *shape))
        for name, (dtype, shape) in shapes.items()
    }
    number = np.arange(count)
    rows = pd.DataFrame(
        {"label_id": number % 4, "split": np.where(number % 5, "train", "validation")}
    )
    config = TrainingConfig(versions="all", speaker_clips=0, auxiliary=0.0, loud=0.0)
    frames = Frames(arrays["windows"], CONFIG, FrameAugmentConfig()) if with_frames else None
    tracemalloc.start()
    try:
        data = Batches.gather(arrays["features"], rows, n_classes=4, config=config, frames=frames)
        data.identity(config)
        data.batch(data.epoch(np.random.default_rng(0))[:32], np.random.default_rng(0))
        assert sum(len(some) for some in blocks(data.validation_x)) == len(data.validation_y)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("with_frames", [True, False])
def test_memory_does_not_grow_with_the_rows(tmp_path, with_frames):
    few, many = (most_memory(tmp_path, n, with_frames=with_frames) for n in (4_000, 40_000))
    assert many - few < 0.1 * 36_000 * ROW_BYTES
