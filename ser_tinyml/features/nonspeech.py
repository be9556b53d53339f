"""Recordings in which nobody speaks, as windows that a net learns to be unsure about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from ser_tinyml import files
from ser_tinyml.features import beginning, frame_augment
from ser_tinyml.features.config import FeatureConfig
from ser_tinyml.features.frames import log_mel, prepare
from ser_tinyml.features.pitch import pitch_track
from ser_tinyml.files import DataError
from ser_tinyml.sound import folder as sound_folder
from ser_tinyml.sound import reading

NONSPEECH = "nonspeech.npz"


@dataclass(frozen=True)
class Sounds:
    """Windows of recordings in which nobody speaks.

    Attributes
    ----------
    windows [shape=(n, n_frames + 2 margin, n_mels)]
        float16, see `frame_augment.window`.
    tracks [shape=(n, n_frames + 2 margin, 2)]
        Of the same frames, from `frame_augment.track_window`; None: the features have no pitch.
    """

    windows: np.ndarray
    tracks: np.ndarray | None = None

    def save(self, path: str | Path) -> None:
        """Write as .npz."""
        tracks = {} if self.tracks is None else {"tracks": self.tracks}
        files.write_arrays(path, {"windows": self.windows, **tracks})

    @classmethod
    def load(cls, path: str | Path) -> Sounds:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return cls(stored["windows"], stored["tracks"] if "tracks" in stored else None)

    def chosen(self, which: np.ndarray) -> Sounds:
        """Some of them [shape=(n,)], numbers or true where wanted."""
        return Sounds(self.windows[which], None if self.tracks is None else self.tracks[which])


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


def cut(
    table: pd.DataFrame, config: FeatureConfig, *, jobs: int | None = None
) -> tuple[pd.DataFrame, Sounds]:
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
    windows
        In that order.

    Raises
    ------
    DataError
        If a recording cannot be read; the message names it.
    """
    found = Parallel(n_jobs=jobs or -1)(
        delayed(_windows)(Path(path), config) for path in table["path"]
    )
    counts = [len(one.windows) for one in found]
    rows = table.loc[table.index.repeat(counts)].reset_index(drop=True)
    tracks = [one.tracks for one in found if one.tracks is not None]
    joined = np.concatenate([one.windows for one in found])
    return rows, Sounds(joined, np.concatenate(tracks) if tracks else None)


def _windows(path: Path, config: FeatureConfig) -> Sounds:
    samples, rate = reading.read_audio(path)
    samples = prepare(samples, rate=rate, config=config)
    if not len(samples):
        raise DataError(f"{path}: expected sound, found none")
    with threadpool_limits(1):
        bands = log_mel(samples, config)
    first, half = beginning.onset(bands, config), max(config.n_frames // 2, 1)
    starts = range(first, max(len(bands) - half, first + 1), half)
    windows = [frame_augment.window(bands, at, config) for at in starts]
    tracks = None
    if config.pitch:
        track = pitch_track(samples, config)
        tracks = [frame_augment.track_window(track, at, config) for at in starts]
    return Sounds(
        np.stack(windows).astype(np.float16),
        None if tracks is None else np.stack(tracks).astype(np.float16),
    )
