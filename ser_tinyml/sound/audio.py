"""Waveforms: reading them, changing their rate, taking them to spectra and back."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ser_tinyml.files import DataError

_BLOCK = 1 << 20  # samples that are read at once, so that an hour fits into memory


def read_audio(path: str | Path, *, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """Read a recording as mono.

    Parameters
    ----------
    path
        A .wav, .flac or .ogg file of any rate and number of channels.
    sample_rate
        Rate to resample to, in Hz; the file's own if None.

    Returns
    -------
    samples [shape=(n,)]
        float32, full scale is 1; channels are averaged.
    sample_rate
        In Hz.

    Raises
    ------
    DataError
        If the file cannot be decoded, is empty, or holds a value that is no number.
    """
    pieces: list[np.ndarray] = []
    try:
        with soundfile.SoundFile(os.fsencode(path)) as stream:  # a name may be no UTF-8
            rate = stream.samplerate
            change = None
            if sample_rate is not None and sample_rate != rate:
                # gives what `resample` gives, bit for bit
                change = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
            count = 0
            for block in stream.blocks(_BLOCK, dtype="float32", always_2d=True):
                mono = block[:, 0].copy() if block.shape[1] == 1 else block.mean(axis=1)
                if not np.isfinite(mono).all():
                    raise DataError(f"{path}: expected finite samples, found NaN or infinity")
                count += len(mono)
                pieces.append(mono if change is None else change.resample_chunk(mono))
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(
            f"{path}: expected a .wav, .flac or .ogg recording, "
            f"found: {getattr(error, 'error_string', error)}"
        ) from error
    if not count:
        raise DataError(f"{path}: expected a recording, found no samples")
    if change is None:
        return np.concatenate(pieces), rate
    pieces.append(change.resample_chunk(np.zeros(0, np.float32), last=True))
    length = int(np.ceil(count * float(sample_rate) / rate))
    return fix_length(np.concatenate(pieces), length), sample_rate


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
