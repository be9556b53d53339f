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
    import scipy.fft  # twice as fast as NumPy's; who only answers recordings need not have it

    padded = np.pad(samples, n_fft // 2)
    window = hann(n_fft, samples.dtype.str)
    return scipy.fft.rfft(frames(padded, frame_length=n_fft, hop_length=hop_length) * window)


def istft(spectrum: np.ndarray, *, hop_length: int, length: int) -> np.ndarray:
    """Inverse of `stft`, by overlap-add with the window's square divided out.

    Parameters
    ----------
    spectrum [shape=(n_frames, 1 + n_fft // 2)]
    length
        Samples to return.
    """
    import scipy.fft

    n_fft = 2 * (spectrum.shape[1] - 1)
    n_frames = min(len(spectrum), -(-(length + n_fft) // hop_length))
    pieces = scipy.fft.irfft(spectrum[:n_frames], n=n_fft)
    pieces *= hann(n_fft, pieces.dtype.str)
    total = _overlapped(pieces, hop_length=hop_length, length=length + n_fft)
    samples = total[n_fft // 2 : n_fft // 2 + length]
    weight = _window_weight(n_frames, n_fft, hop_length, length)
    return np.divide(samples, weight, out=samples, where=weight > np.finfo(np.float32).tiny)


@lru_cache(maxsize=256)
def _window_weight(n_frames: int, n_fft: int, hop_length: int, length: int) -> np.ndarray:
    squares = np.broadcast_to(hann(n_fft, "<f8") ** 2, (n_frames, n_fft))
    total = _overlapped(squares, hop_length=hop_length, length=length + n_fft)
    return total[n_fft // 2 : n_fft // 2 + length]


def _overlapped(pieces: np.ndarray, *, hop_length: int, length: int) -> np.ndarray:
    """The sum of pieces [shape=(n, n_fft)] that begin a hop after each other; `length` at least."""
    count, n_fft = pieces.shape
    parts = n_fft // hop_length
    total = np.zeros((max(count - 1 + parts, -(-length // hop_length)), hop_length), pieces.dtype)
    for part in reversed(range(parts)):  # each sample takes its pieces in their order
        total[part : part + count] += pieces[:, part * hop_length : (part + 1) * hop_length]
    return total.reshape(-1)


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
    magnitude = np.zeros((len(spectrum) + 2, spectrum.shape[1]), spectrum.real.dtype)
    level = np.abs(spectrum, out=magnitude[:-2])
    tiny = np.finfo(level.dtype).tiny
    unit = np.ones(magnitude.shape, spectrum.dtype)
    np.multiply(spectrum, 1 / np.maximum(level, tiny), out=unit[:-2])
    silent = level < tiny
    if silent.any():
        unit[:-2][silent] = 1  # what has no inverse has no angle: taken as zero
    advance = unit[1:] * unit[:-1].conj()
    at = steps.astype(int)
    stretched = np.empty((len(steps), spectrum.shape[1]), spectrum.dtype)
    stretched[0] = unit[0]
    for step in range(1, len(steps)):
        np.multiply(stretched[step - 1], advance[at[step - 1]], out=stretched[step])
    part = (steps % 1).astype(magnitude.dtype)[:, np.newaxis]
    stretched *= (1 - part) * magnitude[at] + part * magnitude[at + 1]
    return istft(stretched, hop_length=hop_length, length=int(round(len(samples) / rate)))


def pitch_shift(samples: np.ndarray, *, sample_rate: int, semitones: float) -> np.ndarray:
    """Change the pitch and keep the length: stretch, then change the rate, as librosa does."""
    rate = 2.0 ** (-semitones / 12)
    stretched = time_stretch(samples, rate=rate)
    return fix_length(
        resample(stretched, orig=sample_rate / rate, target=sample_rate), len(samples)
    )
