"""What a net is made of: rows, and their features on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ser_tinyml import files
from ser_tinyml.data import splits
from ser_tinyml.features import FeatureConfig
from ser_tinyml.features.nonspeech import NONSPEECH, Sounds
from ser_tinyml.features.normalisation import Normalisation, Selected


@dataclass(frozen=True)
class TrainingData:
    """Rows with their features: what a net is made of.

    Attributes
    ----------
    rows
        From `rows.plan_rows`.
    features [shape=(rows, steps, inputs)]
        float32, not normalised; may be memory-mapped.
    windows [shape=(rows, n_frames + 2 margin, n_mels)]
        Bands around the features, from `frame_augment.window`; None: there are none.
    config
        Of the features.
    classes
        Names of the classes.
    tracks [shape=(rows, n_frames + 2 margin, 2)]
        The pitch of the windows' frames, from `frame_augment.track_window`; None: there is none.
    embeddings [shape=(rows, width)]
        What a teacher from outside hears in each row (`features.whisper`); None: there is none.
    nonspeech
        Recordings in which nobody speaks; None: there are none.
    """

    rows: pd.DataFrame
    features: np.ndarray
    windows: np.ndarray | None
    config: FeatureConfig
    classes: list[str]
    tracks: np.ndarray | None = None
    embeddings: np.ndarray | None = None
    nonspeech: Sounds | None = None

    @classmethod
    def load(cls, folder: str | Path) -> TrainingData:
        """Read what stage 02 wrote; the arrays stay on disk.

        Raises
        ------
        DataError
            If a file is missing or broken.
        """
        folder = Path(folder)
        windows, tracks, embeddings = (
            files.open_array(path) if (path := folder / name).is_file() else None
            for name in ("windows.npy", "tracks.npy", "embeddings.npy")
        )
        return cls(
            rows=files.read_table(folder / "rows.csv"),
            features=files.open_array(folder / "features.npy"),
            windows=windows,
            config=FeatureConfig.load(folder / "features.json"),
            classes=files.read_json(folder / "labels.json"),
            tracks=tracks,
            embeddings=embeddings,
            nonspeech=Sounds.load(path) if (path := folder / NONSPEECH).is_file() else None,
        )

    def part(self, name: str, normalisation: Normalisation) -> tuple[pd.DataFrame, np.ndarray]:
        """Rows of one side of the split, and their normalised features."""
        rows, inputs = self.selected(name, normalisation)
        return rows, inputs[:]

    def selected(self, name: str, normalisation: Normalisation) -> tuple[pd.DataFrame, Selected]:
        """As `part`, but the features stay on disk until they are used."""
        rows = self.rows[self.rows["split"] == name].reset_index(drop=True)
        return rows, Selected(self.features, rows["row"].to_numpy(), normalisation)

    def held_out(self, normalisation: Normalisation) -> tuple[pd.DataFrame, np.ndarray]:
        """The rows to score, see `splits.held_out`, and their normalised features."""
        return self.part(splits.held_out(self.rows)["split"].iloc[0], normalisation)
