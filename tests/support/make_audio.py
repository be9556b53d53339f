"""Small recordings for the tests: noise that is different for every seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile


def noise(*, seed: int, n: int = 800, peak: float = 0.25) -> np.ndarray:
    """Noise on the grid of 16 bits [shape=(n,)]; it survives .wav and .flac unchanged."""
    samples = np.random.default_rng(seed).uniform(-peak, peak, n)
    return (np.round(samples * 32768) / 32768).astype(np.float32)


def record(
    path: Path,
    samples: np.ndarray | None = None,
    *,
    seed: int = 0,
    sample_rate: int = 16_000,
    subtype: str | None = None,
) -> Path:
    """Write a recording, of noise if no samples are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = noise(seed=seed) if samples is None else samples
    soundfile.write(path, samples, sample_rate, subtype=subtype)
    return path
