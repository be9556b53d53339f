"""What a training holds of its rows while it reads them from the disk."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from ser_tinyml.features import frame_augment
from ser_tinyml.features.frame_augment import FrameAugmentConfig
from ser_tinyml.features.normalisation import blocks
from ser_tinyml.features.rows import RowPlan, plan_rows
from ser_tinyml.training.batches import Batches, Frames
from ser_tinyml.training.config import TrainingConfig

TIMES = (1, 10, 20)
_STEPS = 200  # batches that are drawn
_LOOK_S = 0.05


def measure(clips: pd.DataFrame, folder: Path) -> list[dict[str, Any]]:
    """The memory of a look at the rows of some clips and at several times as many.

    The arrays are files of zeros, as large as real ones, which take no room on the disk.

    Returns
    -------
    lines
        rows, disk_mb (of their arrays) and most_mb (that the process had for itself), for each of
        TIMES.
    """
    found = []
    for times in TIMES:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found.append(pool.apply(_look, (clips, times, folder)))
    return found


def _look(clips: pd.DataFrame, times: int, folder: Path) -> dict[str, Any]:
    """In a process of its own: all that reads rows in a training."""
    plan = RowPlan().settled(clips)
    table = plan_rows(clips, plan)
    rows = pd.concat([_copy(table, number) for number in range(times)], ignore_index=True)
    config, training = plan.features, TrainingConfig()
    around = config.n_frames + 2 * frame_augment.margin(config)
    features = _zeros(folder / "features", np.float32, (len(rows), *config.feature_shape))
    windows = _zeros(folder / "windows", np.float16, (len(rows), around, config.n_mels))
    with _Most() as most:
        data = Batches.gather(
            features,
            rows,
            n_classes=len(plan.classes),
            config=training,
            frames=Frames(windows, config, FrameAugmentConfig()),
        )
        data.identity(training)
        rng = np.random.default_rng(0)
        order, size = data.epoch(rng), training.batch_size
        for start in range(0, min(_STEPS * size, len(order)), size):
            data.batch(order[start : start + size], rng)
        for _ in blocks(data.validation_x):
            pass
    disk = features.nbytes + windows.nbytes
    return {"rows": len(rows), "disk_mb": disk / 1e6, "most_mb": most.bytes / 1e6}


def _copy(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """The same rows, spoken by others."""
    return table.assign(key=table["key"] + f"-{number}", speaker=table["speaker"] + f"-{number}")


def _zeros(path: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    return np.memmap(path, dtype, "w+", shape=shape)


class _Most:
    """The most memory that this process has for itself meanwhile: pages of files do not count."""

    def __init__(self) -> None:
        self.bytes, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        process = psutil.Process()
        while True:
            memory = process.memory_info()
            self.bytes = max(self.bytes, memory.rss - memory.shared)
            if self._over.wait(_LOOK_S):
                return

    def __enter__(self) -> _Most:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
