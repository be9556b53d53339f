"""The 162 numbers of a clip: means over its frames of what librosa computes.

This recipe is in dozens of public notebooks: zero crossings, chroma, MFCC, level and mel bands of
two and a half seconds, the last four unscaled; two changed copies of each clip beside it.
"""

from __future__ import annotations

import librosa
import numpy as np

from ser_tinyml.sound import audio

RATE = 22_050  # Hz, librosa's default
OFFSET_S, DURATION_S = 0.6, 2.5  # of a clip, the silence before it speaks left out
N_FFT, HOP = 2_048, 512
N_CHROMA, N_MFCC, N_MELS = 12, 20, 128
GROUPS = {  # in the order of the features
    "zero crossings": slice(0, 1),
    "chroma": slice(1, 13),
    "MFCC": slice(13, 33),
    "RMS": slice(33, 34),
    "mel bands": slice(34, 162),
}
COUNT = 162
NOISE = 0.035  # of the largest sample
STRETCH = 0.8  # below 1: slower
SHIFT = 5_000  # samples, at most, either way
SEMITONES = 0.7


def prepare(samples: np.ndarray) -> np.ndarray:
    """Cut the part out of a clip that is looked at."""
    start = round(OFFSET_S * RATE)
    return samples[start : start + round(DURATION_S * RATE)]


def noise(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White noise, at a random level."""
    level = NOISE * rng.uniform() * np.amax(samples)
    return (samples + level * rng.normal(size=len(samples))).astype(np.float32)


def stretch_shift_pitch(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Slower, turned around in time by up to `SHIFT` samples, and higher."""
    slow = audio.time_stretch(samples, rate=STRETCH)
    turned = np.roll(slow, int(rng.integers(-SHIFT, SHIFT + 1)))
    return audio.pitch_shift(turned, sample_rate=RATE, semitones=SEMITONES)


def features(samples: np.ndarray) -> np.ndarray:
    """Means over frames, in the order of `GROUPS`.

    One spectrum serves all of them; the numbers are those of librosa's functions by themselves.

    Parameters
    ----------
    samples [shape=(n,)]
        float32 at `RATE`.

    Returns
    -------
    features [shape=(162,)]
        float32.
    """
    spectrum = librosa.stft(
        samples, n_fft=N_FFT, hop_length=HOP, window="hann", center=True, pad_mode="constant"
    )
    magnitude = np.abs(spectrum)
    mel = librosa.feature.melspectrogram(
        S=magnitude**2, sr=RATE, n_fft=N_FFT, n_mels=N_MELS, fmin=0.0, fmax=RATE / 2
    )
    decibels = librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=80.0)
    frames = [
        librosa.feature.zero_crossing_rate(samples, frame_length=N_FFT, hop_length=HOP),
        librosa.feature.chroma_stft(S=magnitude, sr=RATE, n_fft=N_FFT, n_chroma=N_CHROMA),
        librosa.feature.mfcc(S=decibels, sr=RATE, n_mfcc=N_MFCC),
        librosa.feature.rms(y=samples, frame_length=N_FFT, hop_length=HOP),
        mel,
    ]
    return np.concatenate([values.mean(axis=1) for values in frames]).astype(np.float32)


def on_board(*, board_rate: int = 16_000) -> dict[str, str]:
    """Why the portable core does not compute each group; empty: it does.

    The core turns a stream of 16 kHz into log-mel bands and cepstra, frame after frame, each
    against the loudest band so far (`firmware/arduino_nano33/src/ser/features.h`).

    Parameters
    ----------
    board_rate
        Of the board's microphone, in Hz.
    """
    centres = librosa.mel_frequencies(n_mels=N_MELS + 2, fmin=0.0, fmax=RATE / 2)[1:-1]
    beyond = int((centres > board_rate / 2).sum())
    return {
        "zero crossings": "not in the core; a count of changes of sign could be added to it",
        "chroma": "not in the core, and not to be had from a stream: the tuning that it folds "
        "octaves by is estimated from the whole clip",
        "MFCC": "the core's are of bands below the loudest so far; these are of bands limited to "
        "80 dB below the loudest of the whole clip, which a stream has not heard yet",
        "RMS": "not in the core, whose features leave the level out on purpose",
        "mel bands": f"the core has them in dB and without the level; these are powers, and "
        f"{beyond} of {N_MELS} lie above {board_rate / 2:,.0f} Hz, which a microphone of "
        f"{board_rate:,} Hz does not hear",
    }
