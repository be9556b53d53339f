"""Another version of every training clip in every epoch: pace, throat, noise, stripes left out."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How strongly spectrograms are changed. Zero leaves that part out.

    Attributes
    ----------
    speed
        From 1 - speed to 1 + speed times as fast.
    shift_frames
        It begins up to so many frames earlier or later.
    shift_bands
        All of it moves up or down by as many mel bands, as from throat to throat.
    noise_share, noise_level
        Share of the clips that get noise, and its level at most, of 1 for the loudest.
    masks, mask_bands, mask_frames
        Stripes of bands and of frames that are left out, as many of each, and how wide at most
        (SpecAugment).
    """

    speed: float = 0.15
    shift_frames: float = 8.0
    shift_bands: float = 2.5
    noise_share: float = 0.5
    noise_level: float = 0.4
    masks: int = 2
    mask_bands: int = 8
    mask_frames: int = 24


STRONG = Changes()
WEAK = Changes(
    speed=0.06,
    shift_frames=3.2,
    shift_bands=1.0,
    noise_share=0.2,
    noise_level=0.16,
    masks=1,
    mask_bands=6,
    mask_frames=16,
)
NONE = Changes(
    speed=0.0, shift_frames=0.0, shift_bands=0.0, noise_share=0.0, noise_level=0.0, masks=0
)


class Changing:
    """Spectrograms that are changed anew each time some are taken.

    What is drawn comes from the seed and from which rows are taken, in which order. A training
    that was stopped and taken up draws the same.

    Parameters
    ----------
    spectrograms [shape=(n, bands, frames)]
    """

    def __init__(self, spectrograms: np.ndarray, changes: Changes, *, seed: int) -> None:
        self.spectrograms, self.changes, self.seed = spectrograms, changes, seed

    def __len__(self) -> int:
        return len(self.spectrograms)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Changed copies of some rows [shape=(len(rows), bands, frames, 1)]."""
        drawn = zlib.crc32(np.asarray(rows, np.int64).tobytes())
        rng = np.random.default_rng([self.seed, drawn])
        changed = [change(self.spectrograms[row], self.changes, rng) for row in rows]
        return np.stack(changed)[..., np.newaxis]


def change(spectrogram: np.ndarray, changes: Changes, rng: np.random.Generator) -> np.ndarray:
    """One changed copy.

    Parameters
    ----------
    spectrogram [shape=(bands, frames)]
        Levels, 0 to 1.
    """
    bands, frames = spectrogram.shape
    rate = 1 + rng.uniform(-changes.speed, changes.speed)
    start = rng.uniform(-changes.shift_frames, changes.shift_frames)
    values = _read_at(spectrogram.T, start + rate * np.arange(frames)).T
    lift = rng.uniform(-changes.shift_bands, changes.shift_bands)
    values = _read_at(values, np.clip(np.arange(bands) + lift, 0, bands - 1))
    if rng.random() < changes.noise_share:
        values = np.maximum(values, _noise(values.shape, changes.noise_level, rng))
    mean = values.mean()
    for axis, widest in ((0, changes.mask_bands), (1, changes.mask_frames)):
        for _ in range(changes.masks):
            width = int(rng.integers(0, widest + 1))
            begin = int(rng.integers(0, values.shape[axis] - width + 1))
            stripe = [slice(None), slice(None)]
            stripe[axis] = slice(begin, begin + width)
            values[tuple(stripe)] = mean
    return values.astype(np.float32)


def _read_at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows at places between the rows; beyond the first and the last there is silence."""
    padded = np.concatenate([values, np.zeros_like(values[:1])])
    inside = (places >= 0) & (places <= len(values))
    below = np.clip(np.floor(places).astype(np.intp), 0, len(values) - 1)
    share = np.clip(places - below, 0, 1)[:, np.newaxis]
    found = padded[below] * (1 - share) + padded[below + 1] * share
    return np.where(inside[:, np.newaxis], found, 0)


def _noise(shape: tuple[int, ...], level: float, rng: np.random.Generator) -> np.ndarray:
    """Levels of steady noise that is louder at one end of the bands: 0.03 is 2.4 dB."""
    tilt = np.linspace(rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1), shape[0])
    return rng.uniform(0, level) + tilt[:, np.newaxis] + rng.normal(0, 0.03, shape)
