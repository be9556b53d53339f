"""What brings the features to zero mean and unit deviation; it needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_tinyml import files
from ser_tinyml.files import DataError

BLOCK = 1024  # rows that are in memory at a time


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
    def fit(cls, features: np.ndarray | Selected) -> Normalisation:
        """Fit on features [shape=(rows, n_frames, n_inputs)], some rows at a time."""
        count = len(features) * features.shape[1]
        mean = _sum(features, lambda values: values) / count
        std = np.sqrt(_sum(features, lambda values: (values - mean) ** 2) / count)
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


@dataclass(frozen=True)
class Selected:
    """Some rows of features on disk, read when they are asked for.

    Attributes
    ----------
    features [shape=(rows, n_frames, n_inputs)]
        May be memory-mapped.
    rows [shape=(n,)]
        Numbers of the rows.
    normalisation
        Applied to what is read; None: it comes as it is.
    """

    features: np.ndarray
    rows: np.ndarray
    normalisation: Normalisation | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return (len(self.rows), *self.features.shape[1:])

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        values = np.asarray(self.features[self.rows[which]])
        return values if self.normalisation is None else self.normalisation.apply(values)


def blocks(array: np.ndarray | Selected, size: int = BLOCK) -> Iterator[np.ndarray]:
    """The rows of an array in order, so many at a time."""
    for start in range(0, len(array), size):
        yield array[start : start + size]


def _sum(features: np.ndarray | Selected, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The sum over rows and frames of changed values, to the bit what all at once would give.

    NumPy adds frame to frame; what came before stands as the first frame of the next block.
    """
    total = np.zeros((0, features.shape[2]))
    for block in blocks(features):
        values = change(block.astype(np.float64)).reshape(-1, features.shape[2])
        total = np.concatenate([total, values]).sum(axis=0, keepdims=True)
    return total.sum(axis=0)
