"""Changes of pitch tracks while a net is trained, as those of the bands that they belong to.

What noise does to a track is drawn from what `pitch.pitch_track` was measured to do: 200 clips of
four corpora, with a tap, dishes and pink noise at 20, 10 and 5 dB, frame by frame against the clip
alone (`ser-tinyml pitch` makes the measurement and compares it with these draws).
"""

from __future__ import annotations

import numpy as np

# Share of a frame's spectrum that is speech, and how often F0 is an octave wrong there.
_SHARE = (0.5, 0.65, 0.75, 0.85, 0.95, 1.0)
_OCTAVE_WRONG = (0.28, 0.2, 0.1, 0.03, 0.005, 0.0)
_DOWN = 0.85  # of those, one lower; the others are one higher
# Octaves from the reference of the highest peak of noise, at these shares of its frames.
_CHANCE_SHARE = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
_CHANCE = (-1.68, -1.65, -1.41, -0.92, -0.68, 0.17, 1.68, 1.81, 1.85)
_CHANCE_VOICING = (0.24, 0.07)  # mean and deviation of that peak's height


def moved_in_time(
    tracks: np.ndarray, *, start: np.ndarray, rate: np.ndarray, frames: int
) -> np.ndarray:
    """The nearest frame at every place: between two, F0 may leap.

    Parameters
    ----------
    tracks [shape=(rows, frames of a window, 2)]
    start, rate [shape=(rows,)]
        First place, and places a frame.

    Returns
    -------
    tracks [shape=(rows, frames, 2)]
    """
    place = np.rint(start[:, None] + np.arange(frames) * rate[:, None]).astype(np.intp)
    place = np.clip(place, 0, tracks.shape[1] - 1)
    return tracks[np.arange(len(tracks))[:, None], place]


def in_noise(tracks: np.ndarray, share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What is found of tracks under noise: less voicing, octaves wrong, and chance.

    Parameters
    ----------
    tracks [shape=(rows, frames, 2)]
    share [shape=(rows, frames)]
        Of the compressed spectrum that the autocorrelation is made of, what is no noise: 0 to 1.

    Returns
    -------
    tracks [shape=(rows, frames, 2)]
        float32.
    """
    octaves, voicing = tracks[..., 0], tracks[..., 1]
    noise = 1 - share
    left = voicing * share**1.25 * (1 + 0.2 * np.sqrt(noise) * rng.standard_normal(share.shape))
    by_chance, chance = _by_chance(share.shape, rng)
    chance = chance * np.minimum(2 * noise, 1)
    wrong = rng.random(share.shape) < np.interp(share, _SHARE, _OCTAVE_WRONG)
    octave = np.where(rng.random(share.shape) < _DOWN, -1, 1)
    found = np.where(chance > left, by_chance, octaves + wrong * octave)
    return np.stack([found, np.clip(np.maximum(left, chance), 0, 1)], axis=-1).astype(np.float32)


def of_noise(rows: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Tracks of sounds without speech, a part of them with tones as of a bark, a hum or a beep.

    Returns
    -------
    tracks [shape=(rows, frames, 2)]
        float32.
    """
    octaves, voicing = _by_chance((rows, frames), rng)
    frame = np.arange(frames)
    for row in np.flatnonzero(rng.random(rows) < 0.4):
        height, glide = rng.uniform(-1.6, 1.6), rng.normal(0, 0.02)
        for _ in range(rng.integers(1, 5)):
            length = rng.integers(2, frames + 1) if rng.random() < 0.5 else rng.integers(2, 9)
            begin = rng.integers(0, frames)
            tone = (frame >= begin) & (frame < begin + length)
            octaves[row, tone] = (height + glide * (frame - begin))[tone]
            voicing[row, tone] = rng.uniform(0.4, 1) + rng.normal(0, 0.04, tone.sum())
    return np.stack([octaves, np.clip(voicing, 0, 1)], axis=-1).astype(np.float32)


def _by_chance(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    octaves = np.interp(rng.random(shape), _CHANCE_SHARE, _CHANCE)
    return octaves, np.maximum(rng.normal(*_CHANCE_VOICING, shape), 0)
