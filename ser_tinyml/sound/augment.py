"""Changed copies of a waveform, for training: what another room, voice or microphone might give.

Every function takes and returns float samples [shape=(n,)], full scale 1, and draws only from the
generator it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft

from ser_tinyml import files
from ser_tinyml.sound import audio, reading
from ser_tinyml.sound.containers import SUFFIXES

LOUD_DB = (10.0, 24.0)  # over full scale: where clipping can be heard
COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}  # power falls as 1 / frequency ** exponent


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How strongly training clips are changed. A range is drawn from uniformly.

    Attributes
    ----------
    noise_probability, noise_snr_db
        White, pink or brown noise at this signal-to-noise ratio.
    background_probability, background_snr_db
        A piece of a background recording, where there are some, otherwise mains hum.
    stretch_probability, stretch_rate
        Above 1 is faster.
    pitch_probability, pitch_semitones
    room_probability, room_t60_s, room_ratio_db
        A room: its reverberation time, and the level of the direct sound over all that follows.
    band_probability, band_hz
        Nothing above this frequency is left, as behind a telephone or a small loudspeaker.
    overdrive_probability, overdrive_db
        A microphone that is too loud: brought so far over full scale, and clipped there.
    gain_db
        Of the others; clips at full scale too.
    shift_s
        Later (zeros before) or earlier (cut) by up to this many seconds.
    """

    noise_probability: float = 0.6
    noise_snr_db: tuple[float, float] = (10.0, 40.0)
    background_probability: float = 0.3
    background_snr_db: tuple[float, float] = (10.0, 30.0)
    stretch_probability: float = 0.5
    stretch_rate: tuple[float, float] = (0.85, 1.15)
    pitch_probability: float = 0.5
    pitch_semitones: tuple[float, float] = (-2.0, 2.0)
    room_probability: float = 0.25
    room_t60_s: tuple[float, float] = (0.15, 0.6)
    room_ratio_db: tuple[float, float] = (-8.0, 8.0)
    band_probability: float = 0.15
    band_hz: tuple[float, float] = (3_000.0, 7_000.0)
    overdrive_probability: float = 0.25
    overdrive_db: tuple[float, float] = (0.0, 20.0)
    gain_db: tuple[float, float] = (-10.0, 10.0)
    shift_s: tuple[float, float] = (-0.05, 0.05)


def original_noise(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The original recipe's noise: normal, amplitude up to half the maximum."""
    amplitude = 0.5 * rng.uniform() * samples.max()
    return samples + amplitude * rng.normal(size=len(samples))


def original_stretch_pitch(samples: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """The original recipe's second row: slower by 0.8, cut to 1.5 s, 0.7 semitones up."""
    slow = audio.time_stretch(samples, rate=0.8)[: 3 * sample_rate // 2]
    return audio.pitch_shift(slow, sample_rate=sample_rate, semitones=0.7)


def coloured_noise(length: int, rng: np.random.Generator, *, exponent: float) -> np.ndarray:
    """Noise of unit RMS whose power falls as 1 / frequency ** exponent."""
    size = scipy.fft.next_fast_len(length, real=True)
    spectrum = scipy.fft.rfft(rng.normal(size=size))
    frequency = np.maximum(np.arange(len(spectrum)), 1)
    noise = scipy.fft.irfft(spectrum * frequency ** (-exponent / 2), n=size)[:length]
    return noise / rms(noise)


def mains_hum(length: int, rng: np.random.Generator, *, sample_rate: int) -> np.ndarray:
    """Mains hum of unit RMS: 50 or 60 Hz and falling harmonics."""
    fundamental = rng.choice([50.0, 60.0])
    order = np.arange(1, 11)[:, None]
    phase = rng.uniform(0, 2 * np.pi, size=order.shape)
    time = np.arange(sample_rate) / sample_rate  # every harmonic repeats after one second
    hum = (np.sin(2 * np.pi * fundamental * order * time + phase) / order).sum(axis=0)
    return np.resize(hum, length) / rms(hum)


def rms(samples: np.ndarray) -> float:
    """Root mean square, never zero."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))) + 1e-12)


def add_noise(samples: np.ndarray, noise: np.ndarray, *, snr_db: float) -> np.ndarray:
    """Add noise of unit RMS at a signal-to-noise ratio over the whole waveform."""
    return samples + noise * (rms(samples) * 10 ** (-snr_db / 20))


def room(
    samples: np.ndarray,
    rng: np.random.Generator,
    *,
    t60_s: float,
    ratio_db: float,
    sample_rate: int,
) -> np.ndarray:
    """Hear it in some room: the direct sound, and after 2 ms noise that dies away.

    Parameters
    ----------
    t60_s
        Reverberation time: in which the sound falls by 60 dB.
    ratio_db
        Energy of the direct sound over that of all that follows.

    References
    ----------
    J. D. Polack, La transmission de l'energie sonore dans les salles, thesis, Le Mans, 1988.
    """
    time = np.arange(round(t60_s * sample_rate)) / sample_rate
    response = rng.normal(size=len(time)) * 10 ** (-3 * time / t60_s) * (time > 0.002)
    response *= 10 ** (-ratio_db / 20) / np.linalg.norm(response)
    response[0] = 1.0
    size = scipy.fft.next_fast_len(len(samples) + len(response), real=True)
    spectrum = scipy.fft.rfft(samples, n=size) * scipy.fft.rfft(response, n=size)
    return scipy.fft.irfft(spectrum, n=size)[: len(samples)]


def band_limit(samples: np.ndarray, *, hertz: float, sample_rate: int) -> np.ndarray:
    """Take away what is above a frequency: 3 dB there, 48 dB an octave above it."""
    spectrum = scipy.fft.rfft(samples)
    frequency = scipy.fft.rfftfreq(len(samples), 1 / sample_rate)
    return scipy.fft.irfft(spectrum / np.sqrt(1 + (frequency / hertz) ** 16), n=len(samples))


def overdrive(samples: np.ndarray, *, decibel: float) -> np.ndarray:
    """Bring the loudest sample so far over full scale, and clip."""
    return gain(samples / max(np.abs(samples).max(), 1e-9), decibel=decibel)


def gain(samples: np.ndarray, *, decibel: float) -> np.ndarray:
    """Change the level; what goes over full scale is clipped."""
    return np.clip(samples * 10 ** (decibel / 20), -1, 1)


def shift(samples: np.ndarray, *, seconds: float, sample_rate: int) -> np.ndarray:
    """Move later, with zeros before, or earlier, with the start cut off."""
    offset = round(seconds * sample_rate)
    if offset >= 0:
        return np.pad(samples, (offset, 0))
    return samples[min(-offset, len(samples) - 1) :]


def read_backgrounds(folder: str | Path, *, sample_rate: int) -> dict[str, np.ndarray]:
    """Read every sound file of a folder as background noise.

    Returns
    -------
    backgrounds
        Name of the file, without its ending and with spaces -> samples [shape=(n,)].

    Raises
    ------
    DataError
        If the folder has none, or one cannot be read.
    """
    paths = sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise files.DataError(f"{folder}: expected background recordings, found none")
    return {
        path.stem.replace("_", " "): reading.read_audio(path, sample_rate=sample_rate)[0]
        for path in paths
    }


def background(
    length: int,
    rng: np.random.Generator,
    *,
    sample_rate: int,
    recordings: list[np.ndarray],
) -> np.ndarray:
    """A random piece of a random background recording, of unit RMS; mains hum if there are none."""
    if not recordings:
        return mains_hum(length, rng, sample_rate=sample_rate)
    recording = recordings[rng.integers(len(recordings))]
    start = rng.integers(max(len(recording) - length, 0) + 1)
    piece = np.resize(recording[start : start + length], length)
    return piece / rms(piece)


def augment(
    samples: np.ndarray,
    rng: np.random.Generator,
    *,
    config: AugmentConfig,
    sample_rate: int,
    backgrounds: list[np.ndarray],
) -> np.ndarray:
    """One random version of a clip: voice first, then the room, then the microphone.

    Parameters
    ----------
    samples [shape=(n,)]
    backgrounds
        Recordings at sample_rate; empty: mains hum instead.

    Returns
    -------
    samples [shape=(m,)]
        float32; longer or shorter where it was stretched or moved.
    """
    if rng.uniform() < config.stretch_probability:
        samples = audio.time_stretch(samples, rate=rng.uniform(*config.stretch_rate))
    if rng.uniform() < config.pitch_probability:
        semitones = rng.uniform(*config.pitch_semitones)
        samples = audio.pitch_shift(samples, sample_rate=sample_rate, semitones=semitones)
    samples = shift(samples, seconds=rng.uniform(*config.shift_s), sample_rate=sample_rate)
    if rng.uniform() < config.room_probability:
        samples = room(
            samples,
            rng,
            t60_s=rng.uniform(*config.room_t60_s),
            ratio_db=rng.uniform(*config.room_ratio_db),
            sample_rate=sample_rate,
        )
    if rng.uniform() < config.noise_probability:
        colour = rng.choice(sorted(COLOURS))
        noise = coloured_noise(len(samples), rng, exponent=COLOURS[colour])
        samples = add_noise(samples, noise, snr_db=rng.uniform(*config.noise_snr_db))
    if rng.uniform() < config.background_probability:
        noise = background(len(samples), rng, sample_rate=sample_rate, recordings=backgrounds)
        samples = add_noise(samples, noise, snr_db=rng.uniform(*config.background_snr_db))
    if rng.uniform() < config.band_probability:
        hertz = rng.uniform(*config.band_hz)
        samples = band_limit(samples, hertz=hertz, sample_rate=sample_rate)
    if rng.uniform() < config.overdrive_probability:
        samples = overdrive(samples, decibel=rng.uniform(*config.overdrive_db))
    else:
        samples = gain(samples, decibel=rng.uniform(*config.gain_db))
    return samples.astype(np.float32)
