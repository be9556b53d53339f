"""Recordings in which nobody speaks, as windows that a net learns to be unsure about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from ser_tinyml.features import beginning, frame_augment
from ser_tinyml.features.config import FeatureConfig
from ser_tinyml.features.frames import log_mel, prepare
from ser_tinyml.files import DataError
from ser_tinyml.sound import folder as sound_folder
from ser_tinyml.sound import reading


def sounds(folder: str | Path) -> pd.DataFrame:
    """The recordings of a folder.

    Returns
    -------
    sounds
        Columns path, and kind: the name of the folder that a recording is in.

    Raises
    ------
    DataError
        If there is none.
    """
    folder = Path(folder)
    found = [
        {"path": here / name, "kind": here.name}
        for here, _, names in sound_folder.walk(folder)
        for name in names
        if sound_folder.is_sound(here / name)
    ]
    if not found:
        raise DataError(f"{folder}: expected recordings in which nobody speaks, found none")
    return pd.DataFrame(found)


def windows(
    table: pd.DataFrame, config: FeatureConfig, *, jobs: int | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Bands of the recordings, each from its beginning on and from every half window after that.

    Parameters
    ----------
    table
        From `sounds`.
    jobs
        Processes; None: one a core.

    Returns
    -------
    rows
        Columns path, kind: of each window.
    windows [shape=(rows, n_frames + 2 margin, n_mels)]
        float16, see `frame_augment.window`.

    Raises
    ------
    DataError
        If a recording cannot be read; the message names it.
    """
    found = Parallel(n_jobs=jobs or -1)(
        delayed(_windows)(Path(path), config) for path in table["path"]
    )
    rows = table.loc[table.index.repeat([len(one) for one in found])].reset_index(drop=True)
    return rows, np.concatenate(found)


def _windows(path: Path, config: FeatureConfig) -> np.ndarray:
    samples, rate = reading.read_audio(path)
    samples = prepare(samples, rate=rate, config=config)
    if not len(samples):
        raise DataError(f"{path}: expected sound, found none")
    with threadpool_limits(1):
        bands = log_mel(samples, config)
    first, half = beginning.onset(bands, config), max(config.n_frames // 2, 1)
    starts = range(first, max(len(bands) - half, first + 1), half)
    return np.stack([frame_augment.window(bands, at, config) for at in starts]).astype(np.float16)
