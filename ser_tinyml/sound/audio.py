"""Waveforms: changing their rate, taking them to spectra and back."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import soxr

from ser_tinyml.files import DataError


def resample(samples: np.ndarray, *, orig: float, target: float) -> np.ndarray:
    """Change the rate with soxr's high quality, librosa's default; the dtype stays.

    Parameters
    ----------
    samples [shape=(n,)]
    orig, target
        Rates in Hz.

    Returns
    -------
    samples [shape=(ceil(n * target / orig),)]
    """
    length = int(np.ceil(len(samples) * float(target) / orig))
    return fix_length(soxr.resample(samples, orig, target, quality="HQ"), length)


def fix_length(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut, or fill with zeros at the end, to a length in samples."""
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Full scale 1 to 16 bits: rounded, and clipped at full scale."""
    return np.clip(np.round(samples * 32768.0), -32768, 32767).astype(np.int16)


def as_int16(samples: np.ndarray, *, name: str) -> np.ndarray:
    """A waveform as a microphone hands it on: int16 as they are, floats rounded to 16 bits.

    Parameters
    ----------
    samples [shape=(n,)]
        int16, or floats whose full scale is 1.
    name
        Of who asks, for the error.

    Raises
    ------
    DataError
        If they are anything else: other integers, beyond full scale, no numbers.
    """
    samples = np.asarray(samples)
    if samples.ndim == 1 and samples.dtype == np.int16:
        return samples
    if samples.ndim == 1 and samples.dtype.kind == "f":
        peak = float(np.abs(samples).max(initial=0))
        if peak <= 1:
            return to_int16(samples.astype(np.result_type(samples, np.float32)))
        found = f"floats up to {peak:g}"
    else:
        found = f"{samples.dtype} of shape {samples.shape}"
    raise DataError(f"{name}: expected int16 or floats within ±1 [shape=(n,)], found {found}")


def frames(samples: np.ndarray, *, frame_length: int, hop_length: int) -> np.ndarray:
    """Look at a waveform as overlapping frames, without copying.

    Returns
    -------
    frames [shape=(1 + (n - frame_length) // hop_length, frame_length)]
    """
    return np.lib.stride_tricks.sliding_window_view(samples, frame_length)[::hop_length]


@lru_cache(maxsize=16)
def hann(length: int, dtype: str) -> np.ndarray:
    """Periodic Hann window."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    return window.astype(dtype)


def stft(samples: np.ndarray, *, n_fft: int, hop_length: int) -> np.ndarray:
    """Centred short-time Fourier transform, as librosa's: Hann window, zeros at both ends.

    Parameters
    ----------
    samples [shape=(n,)]
        float32 or float64; the spectrum has the complex type of the same precision.

    Returns
    -------
    spectrum [shape=(1 + n // hop_length, 1 + n_fft // 2)]
        Time first, so that each transform runs over neighbouring memory.
    """
    padded = np.pad(samples, n_fft // 2)
    window = hann(n_fft, samples.dtype.str)
    return np.fft.rfft(frames(padded, frame_length=n_fft, hop_length=hop_length) * window)


def istft(spectrum: np.ndarray, *, hop_length: int, length: int) -> np.ndarray:
    """Inverse of `stft`, by overlap-add with the window's square divided out.

    Parameters
    ----------
    spectrum [shape=(n_frames, 1 + n_fft // 2)]
    length
        Samples to return.
    """
    n_fft = 2 * (spectrum.shape[1] - 1)
    n_frames = min(len(spectrum), -(-(length + n_fft) // hop_length))
    pieces = np.fft.irfft(spectrum[:n_frames], n=n_fft)
    pieces *= hann(n_fft, pieces.dtype.str)
    total = np.zeros(max(n_fft + hop_length * (n_frames - 1), length + n_fft), pieces.dtype)
    for index, piece in enumerate(pieces):
        total[index * hop_length : index * hop_length + n_fft] += piece
    samples = total[n_fft // 2 : n_fft // 2 + length]
    weight = _window_weight(n_frames, n_fft, hop_length, length)
    return np.divide(samples, weight, out=samples, where=weight > np.finfo(np.float32).tiny)


@lru_cache(maxsize=256)
def _window_weight(n_frames: int, n_fft: int, hop_length: int, length: int) -> np.ndarray:
    square = hann(n_fft, "<f8") ** 2
    total = np.zeros(max(n_fft + hop_length * (n_frames - 1), length + n_fft))
    for index in range(n_frames):
        total[index * hop_length : index * hop_length + n_fft] += square
    return total[n_fft // 2 : n_fft // 2 + length]


def time_stretch(samples: np.ndarray, *, rate: float, n_fft: int = 2048) -> np.ndarray:
    """Change the length and keep the pitch: librosa's phase vocoder, without its trigonometry.

    The vocoder advances each bin's phase by the difference between two neighbouring frames.
    Written with unit phasors u, that is a running product of u[s + 1] * conj(u[s]): the expected
    advance that librosa subtracts, wraps and adds again cancels modulo 2 pi.

    Parameters
    ----------
    samples [shape=(n,)]
    rate
        Above 1 is faster, below 1 slower.

    Returns
    -------
    samples [shape=(round(n / rate),)]
    """
    hop_length = n_fft // 4
    spectrum = stft(samples, n_fft=n_fft, hop_length=hop_length)
    steps = np.arange(0, len(spectrum), rate, dtype=np.float64)
    spectrum = np.concatenate([spectrum, np.zeros((2, spectrum.shape[1]), spectrum.dtype)])
    magnitude = np.sqrt(spectrum.real**2 + spectrum.imag**2)
    silent = magnitude == 0
    spectrum[silent] = 1  # the angle of zero is taken as zero
    unit = spectrum  # in place: what follows needs the directions only
    unit.real /= np.where(silent, 1, magnitude)
    unit.imag /= np.where(silent, 1, magnitude)
    stretched = np.empty((len(steps), spectrum.shape[1]), spectrum.dtype)
    phasor = unit[0].copy()
    for out, step in zip(stretched, steps, strict=True):  # frame by frame stays in the cache
        at, part = int(step), step % 1
        weight = (1 - part) * magnitude[at] + part * magnitude[at + 1]
        np.multiply(phasor.real, weight, out=out.real)
        np.multiply(phasor.imag, weight, out=out.imag)
        phasor *= unit[at + 1]
        phasor *= unit[at].conj()
    return istft(stretched, hop_length=hop_length, length=int(round(len(samples) / rate)))


def pitch_shift(samples: np.ndarray, *, sample_rate: int, semitones: float) -> np.ndarray:
    """Change the pitch and keep the length: stretch, then change the rate, as librosa does."""
    rate = 2.0 ** (-semitones / 12)
    stretched = time_stretch(samples, rate=rate)
    return fix_length(
        resample(stretched, orig=sample_rate / rate, target=sample_rate), len(samples)
    )
