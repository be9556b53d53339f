"""What brings the features to zero mean and unit deviation; it needs no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_tinyml import files
from ser_tinyml.files import DataError


@dataclass(frozen=True)
class Normalisation:
    """Mean and deviation of each input, fitted on training rows.

    Attributes
    ----------
    mean, std [shape=(n_inputs,)]
        float32.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray) -> Normalisation:
        """Fit on features [shape=(rows, n_frames, n_inputs)]."""
        mean = features.mean(axis=(0, 1), dtype=np.float64)
        std = features.std(axis=(0, 1), dtype=np.float64)
        return cls(mean.astype(np.float32), np.maximum(std, 1e-6).astype(np.float32))

    @classmethod
    def identity(cls, n_inputs: int) -> Normalisation:
        """Leaves features as they are."""
        return cls(np.zeros(n_inputs, np.float32), np.ones(n_inputs, np.float32))

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Normalise features [shape=(…, n_inputs)] to float32."""
        return (np.asarray(features, np.float32) - self.mean) / self.std

    def save(self, path: str | Path) -> Path:
        """Write as JSON; float32 values survive the way there and back."""
        return files.write_json(
            path, {"mean": self.mean.astype(float).tolist(), "std": self.std.astype(float).tolist()}
        )

    @classmethod
    def load(cls, path: str | Path) -> Normalisation:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            If the file has no mean and std of one length.
        """
        values = files.read_json(path)
        try:
            mean, std = (np.asarray(values[name], np.float32) for name in ("mean", "std"))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: expected lists mean and std, found {values}") from error
        if mean.shape != std.shape or mean.ndim != 1:
            raise DataError(f"{path}: expected one mean and std an input, found {values}")
        return cls(mean, std)
