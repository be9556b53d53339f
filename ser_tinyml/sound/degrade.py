"""What a room or a microphone does to a recording, at a stated strength: for tests, never training.

Training draws its changes at random (`augment`): noise of the same colours, clipping, narrow bands,
and rooms of noise that dies away, where those here are images of the source in bare walls; no PDM
microphone. Here each change has a name and a strength, and the same clip under the same name and
seed is the same waveform. Every change takes and returns samples [shape=(n,)] at `RATE`, full scale
1, and keeps their length and place in time.

Where a change would go over full scale, all of it is made quieter: clipping belongs to the gains
alone, and the features do not depend on the level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pandas as pd
import scipy.fft
import scipy.signal

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.sound import audio, augment

RATE = 16_000  # Hz
GAINS_DB = (-30, -20, -10, 0, 10, 20)
SNRS_DB = (20, 10, 5, 0)
BAND_HZ = 4_000
SPEED_OF_SOUND = 343.0  # m/s
LOWEST_HZ = 50.0  # below it neither a small microphone nor the features hear

# A MEMS microphone such as the board's (STMicroelectronics MP34DT05-A; the MP34DT06J is taken to be
# alike): a sine of 94 dB SPL comes out at -26 dBFS, 64 dB over its own noise. It overloads at
# 122.5 dB SPL, far over speech. Roll-off, droop and offset below are assumptions, not its figures.
SENSITIVITY_DBFS = -26.0
REFERENCE_SPL = 94.0
SELF_NOISE_SNR_DB = 64.0


@dataclass(frozen=True, kw_only=True)
class Room:
    """A room with bare walls, a speaker and a microphone in it.

    Attributes
    ----------
    size_m, source_m, microphone_m
        Length, width, height; the places are measured from one corner.
    t60_s
        Reverberation time: in which the sound falls by 60 dB.
    """

    size_m: tuple[float, float, float]
    source_m: tuple[float, float, float]
    microphone_m: tuple[float, float, float]
    t60_s: float


# The places are off the middle, where many reflections would come at once: 1 m and 2 m apart.
ROOMS = (
    Room(
        size_m=(4.0, 3.0, 2.5),
        source_m=(1.31, 1.17, 1.53),
        microphone_m=(2.09, 1.71, 1.22),
        t60_s=0.3,
    ),
    Room(
        size_m=(6.0, 4.5, 2.8),
        source_m=(1.73, 1.29, 1.61),
        microphone_m=(3.32, 2.43, 1.13),
        t60_s=0.5,
    ),
)
SPEECH_SPL = (60, 50)  # dB: a normal voice at 1 m, and at 3 m


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One change at one strength.

    Attributes
    ----------
    name
        Its key in `CONDITIONS`.
    group
        clean, gain, noise, band, room or microphone.
    kind
        What a curve over the strength is drawn of; within noise: white or pink. All strengths of
        one kind meet the same noise.
    strength, unit
        A number, and what it counts.
    change
        From samples and a generator to samples.
    """

    name: str
    group: str
    kind: str
    strength: float
    unit: str
    change: Callable[[np.ndarray, np.random.Generator], np.ndarray]


def speech_level(samples: np.ndarray) -> float:
    """RMS of the speech in a waveform: of its frames of 32 ms within 30 dB of the loudest one.

    Pauses, whose length differs from corpus to corpus, do not count.
    """
    length = 32 * RATE // 1000
    whole = audio.fix_length(samples, -(-len(samples) // length) * length)
    power = np.square(whole, dtype=np.float64).reshape(-1, length).mean(axis=1)
    return float(np.sqrt(power[power >= power.max() * 1e-3].mean()))


def quantise(samples: np.ndarray) -> np.ndarray:
    """Clip at full scale and round to 16 bits."""
    return np.clip(np.round(samples * 32768.0), -32768, 32767) / 32768


def gain(samples: np.ndarray, *, decibel: float) -> np.ndarray:
    """Another level at a 16-bit microphone: loud clips, quiet loses bits."""
    return quantise(samples * 10 ** (decibel / 20))


def add_noise(samples: np.ndarray, noise: np.ndarray, *, snr_db: float) -> np.ndarray:
    """Add noise at a ratio of the speech's level to the noise's, rumble below 50 Hz left out.

    Parameters
    ----------
    noise [shape=(n,)]
        Of any level.
    """
    noise = _highpass(noise, order=2)
    return _fit(
        samples + noise * (speech_level(samples) * 10 ** (-snr_db / 20) / augment.rms(noise))
    )


def band_limit(samples: np.ndarray, *, hertz: float) -> np.ndarray:
    """Take away what is above a frequency, as a telephone does: linear phase, no delay."""
    taps = scipy.signal.firwin(255, hertz, fs=RATE)
    return _fit(scipy.signal.fftconvolve(samples, taps)[127 : 127 + len(samples)])


@lru_cache(maxsize=8)
def room_response(room: Room) -> np.ndarray:
    """Impulse response of a room, from the direct sound on, whose amplitude is 1.

    The walls act as mirrors: sound arrives from every image of the source, weakened by distance and
    by each wall it met. They reflect all frequencies alike, as much as gives the reverberation
    time. Reflections of one sign add up to an offset that no room has, so the lowest frequencies
    are taken out, as the authors do.

    Returns
    -------
    response [shape=(n,)]
        At `RATE`.

    Raises
    ------
    DataError
        If no walls give that time: too short for so large a room.

    References
    ----------
    J. B. Allen, D. A. Berkley, Image method for efficiently simulating small-room acoustics, J.
    Acoust. Soc. Am. 65, 1979.
    """
    length, width, height = room.size_m
    surface = 2 * (length * width + length * height + width * height)
    # Eyring's T60 is 24 ln(10) V / (-c S ln(reflection^2)). A room with unlike sides decays more
    # slowly, so what comes out is measured and put right.
    reflection = np.exp(
        -12 * np.log(10) * length * width * height / (SPEED_OF_SOUND * surface * room.t60_s)
    )
    distance, bounces = _images(room)
    for _ in range(4):
        response = _response(distance, reflection**bounces / distance)
        found = reverberation_time(response)
        reflection **= found / room.t60_s
    if abs(found / room.t60_s - 1) > 0.05:
        raise DataError(f"{room}: expected a decay of {room.t60_s} s, found {found:.3f} s")
    return response


def reverberation_time(response: np.ndarray) -> float:
    """Seconds to fall by 60 dB, from the fall between 5 and 25 dB of the energy still to come.

    References
    ----------
    M. R. Schroeder, New method of measuring reverberation time, J. Acoust. Soc. Am. 37, 1965.
    """
    energy = np.cumsum(np.square(response[::-1]))[::-1]
    decibel = 10 * np.log10(energy / energy[0])
    part = np.flatnonzero((decibel <= -5) & (decibel >= -25))
    return float(-60 / np.polyfit(part / RATE, decibel[part], 1)[0])


def _images(room: Room) -> tuple[np.ndarray, np.ndarray]:
    """Distance to every image of the source in metres, and how many walls its sound met."""
    reach = SPEED_OF_SOUND * room.t60_s
    squares, bounces = np.zeros(()), np.zeros(())
    for size, source, microphone in zip(room.size_m, room.source_m, room.microphone_m, strict=True):
        last = int(reach / (2 * size)) + 2
        n = np.arange(-last, last + 1)
        offset = np.concatenate([source + 2 * n * size, -source + 2 * n * size]) - microphone
        met = np.concatenate([2 * abs(n), abs(n - 1) + abs(n)])
        squares = squares[..., None] + offset**2
        bounces = bounces[..., None] + met
    distance = np.sqrt(squares)
    near = distance < reach
    return distance[near], bounces[near]


def _response(distance: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    """Arrivals as a waveform; the nearest comes first and with amplitude 1."""
    # Four times the rate keeps the arrivals apart; then it is brought down like any sound.
    lead, fine = 32, 4
    delay = (distance - distance.min()) / SPEED_OF_SOUND * RATE + lead
    response = np.bincount(np.round(delay * fine).astype(int), amplitude / amplitude.max())
    response = fine * audio.resample(response, orig=fine * RATE, target=RATE)
    return _highpass(response, order=2)[lead:]


def reverberate(samples: np.ndarray, *, room: Room) -> np.ndarray:
    """Hear it in a room; the tail after the last sample is cut off."""
    return _fit(scipy.signal.fftconvolve(samples, room_response(room))[: len(samples)])


def pdm_microphone(
    samples: np.ndarray,
    rng: np.random.Generator,
    *,
    speech_spl: float,
    offset: float = 0.02,
) -> np.ndarray:
    """Hear it through the board's microphone, at a digital gain of 0 dB.

    The sound loses its lowest frequencies, 3 dB at 50 Hz, gets the microphone's own noise and
    the droop of a plain sinc^3 decimator straight to 16 kHz, 3 dB at 4 kHz and 12 dB at 8 kHz,
    which a better one makes up for; then a constant offset, and 16 bits.

    Parameters
    ----------
    speech_spl
        Level of the speech at the microphone, in dB SPL.
    offset
        Share of full scale; that of a PDM microphone is not zero.
    """
    reference = 10 ** (SENSITIVITY_DBFS / 20) / np.sqrt(2)  # a sine at full scale is 0 dBFS
    speech = reference * 10 ** ((speech_spl - REFERENCE_SPL) / 20)
    sound = _highpass(samples, order=1) * (speech / max(speech_level(samples), 1e-9))
    # A-weighted in the datasheet, over 20 kHz; here all of it is in our band, a little too much.
    sound = sound + rng.normal(size=len(sound)) * (reference * 10 ** (-SELF_NOISE_SNR_DB / 20))
    size = scipy.fft.next_fast_len(len(sound) + 64, real=True)  # its wrap falls into the zeros
    droop = np.sinc(scipy.fft.rfftfreq(size)) ** 3
    sound = scipy.fft.irfft(scipy.fft.rfft(sound, n=size) * droop, n=size)[: len(sound)]
    return quantise(sound + offset)


def degrade(
    samples: np.ndarray,
    name: str,
    *,
    rate: int,
    seed: int,
    key: str,
    conditions: Mapping[str, Condition] | None = None,
) -> np.ndarray:
    """A clip under a condition.

    Parameters
    ----------
    samples [shape=(n,)]
        Full scale is 1.
    name
        Of the condition.
    rate
        In Hz: `RATE`.
    seed, key
        The clip's key; with the seed, they decide what is drawn at random.
    conditions
        By name, those to choose from; None: `CONDITIONS`.

    Returns
    -------
    samples [shape=(n,)]
        float32.

    Raises
    ------
    DataError
        If the condition is unknown, or the samples are not a waveform at `RATE`.
    """
    conditions = CONDITIONS if conditions is None else conditions
    if name not in conditions:
        raise DataError(f"condition: expected one of {list(conditions)}, found {name!r}")
    if rate != RATE:
        raise DataError(f"{key}: expected a rate of {RATE} Hz, found {rate}")
    if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
        raise DataError(
            f"{key}: expected finite samples of one channel, found shape {samples.shape}"
        )
    condition = conditions[name]
    identity = files.sha256_bytes(f"{key} {condition.kind}".encode())
    rng = np.random.default_rng([seed, int(identity[:16], 16)])
    return condition.change(samples.astype(np.float64), rng).astype(np.float32)


def table(conditions: Mapping[str, Condition]) -> pd.DataFrame:
    """Columns condition, group, kind, strength and unit: a line a condition, to join scores to."""
    columns = ["name", "group", "kind", "strength", "unit"]
    lines = [[getattr(condition, name) for name in columns] for condition in conditions.values()]
    return pd.DataFrame(lines, columns=["condition", *columns[1:]])


def _highpass(samples: np.ndarray, *, order: int) -> np.ndarray:
    sections = scipy.signal.butter(order, LOWEST_HZ, "highpass", fs=RATE, output="sos")
    return scipy.signal.sosfilt(sections, samples)


def _fit(samples: np.ndarray) -> np.ndarray:
    return samples / max(float(np.abs(samples).max()), 1.0)


def _noise(
    kind: str, snr_db: float, source: Callable[[int, np.random.Generator], np.ndarray]
) -> Condition:
    def change(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return add_noise(samples, source(len(samples), rng), snr_db=snr_db)

    name = f"{kind} {snr_db} dB"
    return Condition(
        name=name, group="noise", kind=kind, strength=snr_db, unit="dB SNR", change=change
    )


def _plain(
    name: str, group: str, strength: float, unit: str, change: Callable[[np.ndarray], np.ndarray]
) -> Condition:
    """A condition that draws nothing."""
    return Condition(
        name=name,
        group=group,
        kind=group,
        strength=strength,
        unit=unit,
        change=lambda samples, rng: change(samples),
    )


def _all() -> list[Condition]:
    return [
        _plain("clean", "clean", 0, "", lambda samples: samples),
        *(
            _plain(f"gain {decibel:+d} dB", "gain", decibel, "dB", partial(gain, decibel=decibel))
            for decibel in GAINS_DB
        ),
        *(
            _noise(colour, snr, partial(augment.coloured_noise, exponent=augment.COLOURS[colour]))
            for colour in ("white", "pink")
            for snr in SNRS_DB
        ),
        _plain("band 4 kHz", "band", BAND_HZ, "Hz", partial(band_limit, hertz=BAND_HZ)),
        *(
            _plain(f"room {room.t60_s} s", "room", room.t60_s, "s", partial(reverberate, room=room))
            for room in ROOMS
        ),
        *(
            Condition(
                name=f"pdm {spl} dB SPL",
                group="microphone",
                kind="pdm",
                strength=spl,
                unit="dB SPL",
                change=partial(pdm_microphone, speech_spl=spl),
            )
            for spl in SPEECH_SPL
        ),
    ]


# Name -> condition: clean first, then by group, each from weak to strong or low to high.
CONDITIONS: dict[str, Condition] = {condition.name: condition for condition in _all()}
