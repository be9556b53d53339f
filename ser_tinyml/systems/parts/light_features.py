"""What a voice does in a clip, in numbers that mean what they are called; the board computes them.

`firmware/systems/light_voice.cpp` does the same: frame after frame while the clip is heard, and the
rest when it has ended. F0 and voicing are those of `features.pitch`. Jitter and shimmer are taken
from periods of the waveform, each found as the lag at which it looks most like the one before
(Praat's way, "cross-correlation"), and mean what Praat's "local" ones do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ser_tinyml.features import FeatureConfig, log_mel, pitch
from ser_tinyml.features.spectrum import power_spectra
from ser_tinyml.sound import audio

RATE = 16_000  # Hz
CONFIG = FeatureConfig(name="light", sample_rate=RATE, pitch=True)
LONGEST_S = 5.0  # of a clip, its beginning: what the board has memory for
MOST_FRAMES = 1 + (round(LONGEST_S * RATE) - CONFIG.window_length) // CONFIG.hop_length
QUIET_DB = 35.0  # below the loudest frame is silence, which counts for no mean
ROLLOFF = 0.85  # of the power lies below it
FLOOR_DB = -100.0  # of full scale
COEFFICIENTS = 13
MOST_VOICED = 0.999  # no voice is purer than 30 dB
PERIOD_RATIO, LEVEL_RATIO = 1.3, 1.6  # neighbouring periods that differ by more are none (Praat)
SHORTER, LONGER = 0.8, 1.25  # a period, against that of the frame's F0
NAMES = (
    *("intensity", "intensity deviation", "intensity peak", "speech s", "voiced share"),
    *("F0", "F0 deviation", "F0 lowest", "F0 highest", "F0 change"),
    *("voicing", "HNR", "HNR deviation", "jitter", "shimmer"),
    *("centroid", "centroid deviation", "spread", "roll-off", "roll-off deviation"),
    *("flux", "flux deviation", "zero crossings", "zero crossings deviation", "flatness"),
    *(f"MFCC {number}" for number in range(COEFFICIENTS)),
    *(f"MFCC {number} deviation" for number in range(COEFFICIENTS)),
    *(f"MFCC {number} change" for number in range(COEFFICIENTS)),
)


@dataclass(frozen=True)
class Frames:
    """What each frame is; float64 [shape=(frames,)].

    Attributes
    ----------
    level
        In dB of full scale.
    centroid, spread, rolloff
        In Hz, of the power spectrum.
    flux
        Half of the change of the spectrum's shape since the frame before: 0 to 1.
    crossings
        Of zero, a sample.
    flatness
        Of the mel bands, in dB: 0 is flat.
    octaves, voicing
        Of `pitch_track`.
    mfcc [shape=(frames, 13)]
    """

    level: np.ndarray
    centroid: np.ndarray
    spread: np.ndarray
    rolloff: np.ndarray
    flux: np.ndarray
    crossings: np.ndarray
    flatness: np.ndarray
    octaves: np.ndarray
    voicing: np.ndarray
    mfcc: np.ndarray


def prepare(samples: np.ndarray) -> np.ndarray:
    """The beginning of a clip, as the board's microphone gives it: 16-bit steps."""
    steps = audio.to_int16(samples[: round(LONGEST_S * RATE)])
    return (steps / np.float32(32_768)).astype(np.float32)


def features(samples: np.ndarray) -> np.ndarray:
    """Numbers in the order of `NAMES`.

    Parameters
    ----------
    samples [shape=(n,)]
        float32 at `RATE`, of `prepare`.

    Returns
    -------
    features [shape=(64,)]
        float32.
    """
    found = frames_of(samples)
    jitter, shimmer = perturbation(samples, found.octaves, found.voicing)
    return clip_numbers(found, jitter=jitter, shimmer=shimmer)


def frames_of(samples: np.ndarray) -> Frames:
    """Of every whole frame."""
    power = np.concatenate([*power_spectra(samples, CONFIG)])
    track = pitch.pitch_track(samples, CONFIG).astype(np.float64)
    bands = log_mel(samples, CONFIG)
    hertz = np.arange(power.shape[1]) * RATE / CONFIG.n_fft
    total = power.sum(axis=1)
    share = power / np.maximum(total, 1e-20)[:, None]
    centroid = share @ hertz
    spread = np.sqrt(np.maximum(share @ hertz**2 - centroid**2, 0))
    below = np.cumsum(share, axis=1) < ROLLOFF
    shape = np.sqrt(share)
    change = np.square(np.diff(shape, axis=0)).sum(axis=1) / 2
    padded = audio.fix_length(samples, max(len(samples), CONFIG.window_length))
    framed = audio.frames(padded, frame_length=CONFIG.window_length, hop_length=CONFIG.hop_length)
    crossed = (framed[:, 1:] < 0) != (framed[:, :-1] < 0)
    window = audio.hann(CONFIG.window_length, "<f8")
    scale = CONFIG.n_fft / 2 * np.square(window).sum()
    return Frames(
        level=10 * np.log10(np.maximum(total / scale, 10 ** (FLOOR_DB / 10))),
        centroid=centroid,
        spread=spread,
        rolloff=np.minimum(below.sum(axis=1), len(hertz) - 1) * RATE / CONFIG.n_fft,
        flux=np.concatenate([[0.0], change]),
        crossings=crossed.mean(axis=1),
        flatness=bands.mean(axis=1) - 10 * np.log10((10 ** (bands / 10)).mean(axis=1)),
        octaves=track[:, 0],
        voicing=track[:, 1],
        mfcc=bands @ dct().T,
    )


def dct() -> np.ndarray:
    """Orthonormal DCT-II of the bands [shape=(13, n_mels)]."""
    n = CONFIG.n_mels
    rows = np.cos(np.pi * np.outer(np.arange(COEFFICIENTS), np.arange(n) + 0.5) / n)
    return rows * np.sqrt(np.where(np.arange(COEFFICIENTS) == 0, 1, 2) / n)[:, None]


def clip_numbers(found: Frames, *, jitter: float, shimmer: float) -> np.ndarray:
    """What the frames come to, in the order of `NAMES`."""
    active = found.level >= found.level.max() - QUIET_DB
    voiced = active & (found.voicing >= pitch.VOICED)
    sure = np.clip(found.voicing[voiced], 1 / 2, MOST_VOICED)
    octaves, hnr = found.octaves[voiced], 10 * np.log10(sure / (1 - sure))
    lowest, highest = (octaves.min(), octaves.max()) if len(octaves) else (0.0, 0.0)
    numbers = [
        *_mean_and_deviation(found.level[active]),
        found.level.max(),
        active.sum() * CONFIG.hop_length / RATE,
        voiced.sum() / active.sum(),
        *_mean_and_deviation(octaves),
        lowest,
        highest,
        _change(found.octaves[:, None], voiced)[0],
        found.voicing[active].mean(),
        *_mean_and_deviation(hnr),
        jitter,
        shimmer,
        *_mean_and_deviation(found.centroid[active]),
        found.spread[active].mean(),
        *_mean_and_deviation(found.rolloff[active]),
        *_mean_and_deviation(found.flux[active]),
        *_mean_and_deviation(found.crossings[active]),
        found.flatness[active].mean(),
    ]
    mfcc = found.mfcc[active]
    changes = _change(found.mfcc, active)
    return np.concatenate([numbers, mfcc.mean(axis=0), mfcc.std(axis=0), changes]).astype(
        np.float32
    )


def _mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    """0 and 0 where there are none."""
    return (float(values.mean()), float(values.std())) if len(values) else (0.0, 0.0)


def _change(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean size of the change [shape=(n,)] between neighbouring frames that both count."""
    both = counted[1:] & counted[:-1]
    changes = np.abs(np.diff(values, axis=0))[both]
    return changes.mean(axis=0) if len(changes) else np.zeros(values.shape[1])


def perturbation(
    samples: np.ndarray, octaves: np.ndarray, voicing: np.ndarray
) -> tuple[float, float]:
    """Local jitter and shimmer of a clip; 0 where there are too few periods.

    Parameters
    ----------
    octaves, voicing [shape=(frames,)]
        Of `pitch_track`.
    """
    steps = np.rint(samples * 32_768).astype(np.int64)
    hop, length = CONFIG.hop_length, CONFIG.window_length
    steps = audio.fix_length(steps, max(len(steps), length))
    jitter, shimmer = _Changes(PERIOD_RATIO), _Changes(LEVEL_RATIO)
    mark = -1
    for frame, (octave, voice) in enumerate(zip(octaves, voicing, strict=True)):
        if voice < pitch.VOICED:
            mark = -1
            continue
        window = steps[frame * hop : frame * hop + length]
        period = np.float32(RATE / pitch.REFERENCE_HZ) * np.exp2(np.float32(-octave))
        half = int(period) // 2
        if mark < half:
            mark = _loudest(window, int(period))
            jitter.pause()
            shimmer.pause()
        longest = int(np.float32(LONGER) * period) + 1
        while mark < length - hop // 2 and mark + longest + 1 + half < length:
            lag, exact, level = _next(window, mark, half, period)
            jitter.take(exact)
            shimmer.take(level)
            mark += lag
        mark -= hop
    return jitter.share(), shimmer.share()


def _loudest(window: np.ndarray, period: int) -> int:
    """Where the first mark is set: at the loudest sample of a period in the middle of the frame."""
    first = CONFIG.hop_length // 2
    return first + int(np.abs(window[first : first + period]).argmax())


def _next(
    window: np.ndarray, mark: int, half: int, period: np.float32
) -> tuple[int, np.float32, np.float32]:
    """The lag at which the waveform looks most like itself at a mark.

    Returns
    -------
    lag, exact, level
        In whole samples; between them; and the root of the power there.
    """
    first = max(int(np.float32(SHORTER) * period), 2) - 1
    last = int(np.float32(LONGER) * period) + 2
    own = window[mark - half : mark + half]
    later = np.lib.stride_tricks.sliding_window_view(
        window[mark - half + first : mark + half + last - 1], 2 * half
    )
    products = (later @ own).astype(np.float32)
    energies = np.square(later).sum(axis=1).astype(np.float32)
    height = products / np.sqrt(np.maximum(energies, np.float32(1)))
    best = 1 + int(height[1:-1].argmax())
    left, top, right = height[best - 1 : best + 2]
    bend = (top - left) + (top - right)
    offset = np.float32(0.5) * (right - left) / bend if bend > 0 else np.float32(0)
    offset = min(max(offset, np.float32(-0.5)), np.float32(0.5))
    level = np.sqrt(energies[best] / np.float32(2 * half))
    return first + best, np.float32(first + best) + offset, level


class _Changes:
    """Mean change from period to period, as a share of their mean.

    Parameters
    ----------
    ratio
        Neighbours that differ by more are not counted.
    """

    def __init__(self, ratio: float) -> None:
        self._ratio, self._before = ratio, 0.0
        self._changes = self._total = 0.0
        self._pairs = self._count = 0

    def pause(self) -> None:
        """The next is no neighbour of the last."""
        self._before = 0.0

    def take(self, value: np.float32) -> None:
        """The next period's."""
        value = float(value)
        smaller, larger = sorted((value, self._before))
        if smaller > 0 and larger <= self._ratio * smaller:
            self._changes += larger - smaller
            self._pairs += 1
        self._total += value
        self._count += 1
        self._before = value

    def share(self) -> float:
        """Of all that were taken; 0: there were no neighbours."""
        if not self._pairs or not self._total:
            return 0.0
        return (self._changes / self._pairs) / (self._total / self._count)
