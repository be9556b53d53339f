"""The power spectra of a waveform's frames: mel bands and pitch are made of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ser_tinyml.features.config import FeatureConfig
from ser_tinyml.sound import audio

_AT_ONCE = 24  # frames whose spectra are in memory together: they stay in a core's cache


def power_spectra(samples: np.ndarray, config: FeatureConfig) -> Iterator[np.ndarray]:
    """The power spectra of every whole frame, some frames at a time.

    Parameters
    ----------
    samples [shape=(n,)]
        At config.sample_rate; a waveform shorter than one window is filled with zeros.

    Yields
    ------
    power [shape=(frames, 1 + n_fft // 2)]
        Full scale is 1, float64.
    """
    if config.center:
        samples = np.pad(samples, config.n_fft // 2)
    samples = audio.fix_length(samples, max(len(samples), config.window_length)).astype(np.float64)
    framed = audio.frames(samples, frame_length=config.window_length, hop_length=config.hop_length)
    window = audio.hann(config.window_length, "<f8")
    for start in range(0, len(framed), _AT_ONCE):
        spectrum = np.fft.rfft(framed[start : start + _AT_ONCE] * window, n=config.n_fft)
        yield spectrum.real**2 + spectrum.imag**2
