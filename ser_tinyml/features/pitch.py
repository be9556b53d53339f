"""F0 and voicing of every frame, from one autocorrelation, without looking ahead.

The autocorrelation is the cosine transform of the power spectrum that the mel bands are made of,
up to 2 kHz: 128 of 513 bins in the default configuration, and lags a quarter of a millisecond
apart. Divided by that of the window (Boersma 1993) it is 1 at the period of a steady voice. All of
it is float32 in a fixed order, so that ``src/ser/pitch.cpp`` gives the same bits.

References
----------
P. Boersma, Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
ratio of a sampled sound, Proceedings of the Institute of Phonetic Sciences 17, 1993.
T. Tolonen and M. Karjalainen, A computationally efficient multipitch analysis model, IEEE
Transactions on Speech and Audio Processing 8, 2000: the compressed spectrum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from ser_tinyml.features.config import FeatureConfig
from ser_tinyml.features.spectrum import power_spectra
from ser_tinyml.sound import audio

REFERENCE_HZ = 200.0  # log F0 is in octaves above it; near the mean of women and men
LOWEST_HZ, HIGHEST_HZ = 62.5, 650.0
VOICED = 0.5  # the voicing from which a frame counts as voiced
CANDIDATES = 3  # peaks of a frame that are followed
OCTAVE_COST = 0.04  # an octave lower has to be better by so much: its peak is nearly as high
JUMP_COST = 0.1  # of an octave from frame to frame
JUMP_OCTAVES = 0.8  # beyond, a jump costs no more: somebody else speaks
MEMORY = 0.8  # how much of what spoke for a candidate counts a frame later
QUIET = 0.002  # of the loudest sound of late: what is so quiet has half of its voicing
FORGET = 0.98  # of that loudest, a frame later
_BAND_HZ = 2_000.0
_TAPER_HZ = (60.0, 100.0, 1_000.0, 1_900.0)  # rises between the first two, falls between the last
COMPRESSION = 0.75  # power of the power that counts, so that no formant outshouts the others
_LANES = 4  # sums side by side, as the board has them


@dataclass(frozen=True)
class PitchTables:
    """The constant arrays behind the pitch, float32.

    Attributes
    ----------
    taper [shape=(bins,)]
        Weight of each bin below 2 kHz; the first bin's is 0.
    cosine [shape=(2 * bins,)]
        One period of a cosine.
    lags
        Of the autocorrelation: those of the highest and lowest F0, and one more on either side.
    correction [shape=(len(lags),)]
        1 over the autocorrelation of the window at these lags, which is 1 at lag 0.
    bonus [shape=(len(lags),)]
        What a short lag is preferred by.
    rate_octaves
        log2 of the lags in a second, over REFERENCE_HZ.
    """

    taper: np.ndarray
    cosine: np.ndarray
    lags: range
    correction: np.ndarray
    bonus: np.ndarray
    rate_octaves: np.float32


@lru_cache(maxsize=16)
def pitch_tables(config: FeatureConfig) -> PitchTables:
    """The tables of a configuration."""
    bins = 8 * round(_BAND_HZ * config.n_fft / config.sample_rate / 8)
    rate = 2 * bins * config.sample_rate / config.n_fft
    lags = range(int(rate / HIGHEST_HZ) - 1, int(rate / LOWEST_HZ) + 3)
    hertz = np.arange(bins) * config.sample_rate / config.n_fft
    cosine = np.cos(np.pi * np.arange(2 * bins) / bins)
    own = np.abs(np.fft.fft(audio.hann(config.window_length, "<f8"), config.n_fft)) ** (
        2 * COMPRESSION
    )
    turns = np.outer(lags, np.arange(config.n_fft)) * config.sample_rate / (rate * config.n_fft)
    window = np.cos(2 * np.pi * turns) @ own / own.sum()
    return PitchTables(
        taper=band_taper(hertz).astype(np.float32),
        cosine=cosine.astype(np.float32),
        lags=lags,
        correction=(1 / window).astype(np.float32),
        bonus=(OCTAVE_COST * np.log2(rate / LOWEST_HZ / np.maximum(lags, 1))).astype(np.float32),
        rate_octaves=np.float32(np.log2(rate / REFERENCE_HZ)),
    )


def band_taper(hertz: np.ndarray) -> np.ndarray:
    """How much frequencies count, 0 to 1: a rumble and what is above the first formants do not."""
    low, full, fall, end = _TAPER_HZ
    rising, falling = (hertz - low) / (full - low), (end - hertz) / (end - fall)
    return np.clip(rising, 0, 1) * np.clip(falling, 0, 1)


def pitch_track(samples: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """F0 and voicing of every whole frame; a frame's depend on it and on those before it.

    Level does not count: all is relative to the frame itself, or to what was loudest of late.

    Parameters
    ----------
    samples [shape=(n,)]
        At config.sample_rate; a waveform shorter than one window is filled with zeros.

    Returns
    -------
    track [shape=(frames, 2)]
        float32: log2 of F0 over REFERENCE_HZ, of the frame's best candidate even if it has no
        voice; and its voicing from 0 to 1, the autocorrelation at that period.
    """
    return followed(sound_peaks(samples, config))


def sound_peaks(samples: np.ndarray, config: FeatureConfig) -> Peaks:
    """The candidates of every whole frame of a waveform; of each by itself."""
    bins = len(pitch_tables(config).taper)
    low = [power[:, :bins].astype(np.float32) for power in power_spectra(samples, config)]
    return peaks(np.concatenate(low), config)


def pitch_inputs(track: np.ndarray) -> np.ndarray:
    """What the net sees of the pitch, from the frame at which the features begin.

    Before the first voiced frame F0 is REFERENCE_HZ and no different from its mean, and the
    voicing says that there is none.

    Parameters
    ----------
    track [shape=(…, frames, 2)]
        From `pitch_track`; of one clip or of several.

    Returns
    -------
    values [shape=(…, frames, 3)]
        float32: log2 of F0 over REFERENCE_HZ, held where there is no voice; voicing; log2 of F0
        over its mean of the voiced frames so far, held too.
    """
    octaves, voicing = track[..., 0].astype(np.float32), track[..., 1].astype(np.float32)
    voiced = voicing >= np.float32(VOICED)
    total = np.cumsum(np.where(voiced, octaves, np.float32(0)), axis=-1, dtype=np.float32)
    count = np.cumsum(voiced, axis=-1).astype(np.float32)
    above = octaves - total / np.maximum(count, np.float32(1))
    frame = np.broadcast_to(np.arange(voiced.shape[-1]), voiced.shape)
    last = np.maximum.accumulate(np.where(voiced, frame, -1), axis=-1)
    at = np.maximum(last, 0)
    held, held_above = (np.take_along_axis(values, at, axis=-1) for values in (octaves, above))
    zero = np.float32(0)
    return np.stack(
        [np.where(last < 0, zero, held), voicing, np.where(last < 0, zero, held_above)], axis=-1
    )


@dataclass(frozen=True)
class Peaks:
    """The best peaks of each frame's autocorrelation, best first; float32.

    Attributes
    ----------
    octaves [shape=(frames, CANDIDATES)]
        log2 of F0 over REFERENCE_HZ; 0 where there is no peak.
    height [shape=(frames, CANDIDATES)]
        0 to 1, relative to lag 0; 0 where there is no peak.
    bonus [shape=(frames, CANDIDATES)]
        What the lag is preferred by; -1 where there is no peak.
    loudness [shape=(frames,)]
        The autocorrelation at lag 0.
    """

    octaves: np.ndarray
    height: np.ndarray
    bonus: np.ndarray
    loudness: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Peaks]) -> Peaks:
        """Those of frames that follow each other."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def autocorrelation(low: np.ndarray, config: FeatureConfig) -> tuple[np.ndarray, np.ndarray]:
    """Of each frame, from its power spectrum.

    Parameters
    ----------
    low [shape=(frames, bins)]
        float32, the power below 2 kHz, of any scale.

    Returns
    -------
    loudness [shape=(frames,)]
        The autocorrelation at lag 0; float32.
    height [shape=(frames, lags)]
        That at the lags of the tables, over the one at lag 0 and over the window's own; float32.
        0 where a frame is empty.
    """
    constant = pitch_tables(config)
    root = np.sqrt(low)  # two roots make the power COMPRESSION
    spectrum = root * np.sqrt(root) * constant.taper
    bins = spectrum.shape[1]
    # Bins as far from the middle as each other have the same cosine, but for the sign.
    near, far = spectrum[:, 1 : bins // 2], spectrum[:, : bins // 2 : -1]
    middle = spectrum[:, bins // 2 : bins // 2 + 1]
    sums = np.concatenate([near + far, middle], axis=1)
    differences = np.concatenate([near - far, np.zeros_like(middle)], axis=1)
    k = np.arange(1, bins // 2 + 1)
    found = np.empty((len(low), len(constant.lags)), np.float32)
    for parity, parts in ((0, sums), (1, differences)):
        lags = [lag for lag in constant.lags if lag % 2 == parity]
        table = constant.cosine[np.outer(k, lags) % (2 * bins)]
        found[:, lags[0] - constant.lags[0] :: 2] = _dots(parts, table)
    loudness = _dots(sums, np.ones((len(k), 1), np.float32))[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        height = found * (np.float32(1) / loudness)[:, None] * constant.correction
    return loudness, np.where((loudness > 0)[:, None], height, np.float32(0))


def _dots(rows: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Rows times a table, float32, in the order of additions of the board."""
    total = np.zeros((_LANES, len(rows), table.shape[1]), np.float32)
    product = np.empty_like(total)
    left = rows.T.reshape(-1, _LANES, len(rows), 1)
    right = table.reshape(-1, _LANES, 1, table.shape[1])
    for one, other in zip(left, right, strict=True):
        total += np.multiply(one, other, out=product)
    return (total[0] + total[1]) + (total[2] + total[3])


def peaks(low: np.ndarray, config: FeatureConfig) -> Peaks:
    """The candidates for each frame's F0: the highest peaks, places and heights by parabola.

    Parameters
    ----------
    low [shape=(frames, bins)]
        As for `autocorrelation`.
    """
    constant = pitch_tables(config)
    loudness, height = autocorrelation(low, config)
    left, middle, right = height[:, :-2], height[:, 1:-1], height[:, 2:]
    peak = (middle > left) & (middle >= right) & (middle > 0)
    score = np.where(peak, middle + constant.bonus[1:-1], np.float32(-1))
    best = np.argsort(-score, axis=1, kind="stable")[:, :CANDIDATES]
    there, a, b, c = (
        np.take_along_axis(values, best, axis=1) for values in (peak, left, middle, right)
    )
    half = np.float32(0.5)
    slope, bend = c - a, (b - a) + (b - c)
    offset = np.where(there, half * slope / np.where(there, bend, np.float32(1)), np.float32(0))
    top = np.minimum(b + half * half * slope * offset, np.float32(1))
    lag = (best + constant.lags[1]).astype(np.float32) + offset
    octaves = constant.rate_octaves - log2(lag)
    zero = np.float32(0)
    return Peaks(
        octaves=np.where(there, octaves, zero),
        height=np.where(there, top, zero),
        bonus=np.where(there, constant.bonus[1:-1][best], np.float32(-1)),
        loudness=loudness,
    )


def log2(value: np.ndarray) -> np.ndarray:
    """Of positive, normal float32 values, in float32; off by less than 4e-7 of 1 or of itself."""
    bits = value.view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> 23  # value = 2^exponent * m, m from sqrt(1/2)
    m = (bits - (exponent << 23)).view(np.float32)
    one = np.float32(1)
    s = (m - one) / (m + one)  # ln m = 2 artanh(s)
    s2 = s * s
    thirds = [one / np.float32(odd) for odd in (3, 5, 7, 9)]
    series = thirds[3]
    for factor in thirds[2::-1]:
        series = factor + s2 * series
    return exponent.astype(np.float32) + np.float32(2 / np.log(2)) * (s + s * (s2 * series))


def followed(found: Peaks) -> np.ndarray:
    """One candidate a frame: high, of a short lag, and near to what was before it.

    The score of a candidate is its own and the best of the frame before, less what the way from
    there costs; so a wrong peak that was higher once is left again.

    Returns
    -------
    track [shape=(frames, 2)]
        As of `pitch_track`.
    """
    frames = len(found.loudness)
    quiet = np.float32(QUIET)
    loudest = np.empty(frames, np.float32)
    recent = np.float32(0)
    for frame, loudness in enumerate(found.loudness):
        recent = max(loudness, recent * np.float32(FORGET))
        loudest[frame] = recent
    with np.errstate(invalid="ignore"):
        share = found.loudness / (found.loudness + quiet * loudest)
    share = np.where(found.loudness > 0, share, np.float32(0))
    voicing = found.height * share[:, None]
    own = voicing + found.bonus
    jump = np.abs(found.octaves[1:, :, None] - found.octaves[:-1, None, :])
    cost = np.float32(JUMP_COST) * np.minimum(jump, np.float32(JUMP_OCTAVES))
    best = np.empty(frames, np.intp)
    score = own[0]
    best[0] = score.argmax()
    for frame in range(1, frames):
        before = np.float32(MEMORY) * (score - score.max())
        score = own[frame] + (before - cost[frame - 1]).max(axis=1)
        best[frame] = score.argmax()
    chosen = best[:, None]
    return np.stack(
        [np.take_along_axis(v, chosen, axis=1)[:, 0] for v in (found.octaves, voicing)], axis=1
    )
