"""The 45 numbers of a clip, as they were published for light models on microcontrollers.

Their names are not always what they are. "Jitter" is how much MFCC 0, divided by its largest value,
changes from frame to frame; "shimmer" how much the waveform changes from sample to sample; both
grow with the level or the pauses, and neither looks at a period of the voice. "F0" is the mean of
all spectral peaks up to 4 kHz, "F2" the same of the harmonic part, and the "band energy ratio" is
the bandwidth once more. `light_features` has what the names say.
"""

from __future__ import annotations

import librosa
import numpy as np

RATE = 16_000  # Hz; published at each corpus's own rate, which tells the corpora apart
N_FFT, HOP = 2_048, 512
QUIET = 0.01
NAMES = (
    *(f"MFCC {number}" for number in range(13)),
    *(f"chroma {number}" for number in range(12)),
    "energy",
    "zero crossings",
    *(f"contrast {number}" for number in range(7)),
    "F0",
    "F2",
    "jitter",
    "shimmer",
    "band energy ratio",
    "pause rate",
    "centroid",
    "bandwidth",
    "roll-off",
    "flux",
    "flatness",
)


def features(samples: np.ndarray) -> np.ndarray:
    """Numbers in the order of `NAMES`.

    Parameters
    ----------
    samples [shape=(n,)]
        float32 at `RATE`.

    Returns
    -------
    features [shape=(45,)]
        float32.
    """
    feature = librosa.feature
    magnitude = np.abs(librosa.stft(samples, n_fft=N_FFT, hop_length=HOP))
    mfcc = feature.mfcc(y=samples, sr=RATE, n_mfcc=13)
    bandwidth = feature.spectral_bandwidth(S=magnitude, sr=RATE).mean()
    harmonic = librosa.effects.hpss(samples)[0]
    numbers = [
        feature.rms(y=samples).mean(),
        feature.zero_crossing_rate(samples).mean(),
        *feature.spectral_contrast(S=magnitude, sr=RATE).mean(axis=1),
        _peaks(S=magnitude),
        _peaks(y=harmonic),
        np.abs(np.diff(librosa.util.normalize(mfcc[0]))).mean(),
        np.abs(np.diff(samples)).mean(),
        bandwidth,
        _pause_rate(samples),
        feature.spectral_centroid(S=magnitude, sr=RATE).mean(),
        bandwidth,
        feature.spectral_rolloff(S=magnitude, sr=RATE, roll_percent=0.85).mean(),
        librosa.onset.onset_strength(y=samples, sr=RATE).mean(),
        feature.spectral_flatness(S=magnitude).mean(),
    ]
    chroma = feature.chroma_stft(S=magnitude**2, sr=RATE).mean(axis=1)
    return np.concatenate([mfcc.mean(axis=1), chroma, numbers]).astype(np.float32)


def _peaks(**of: np.ndarray) -> float:
    """Mean frequency of all peaks of all frames, in Hz; 0: there is none."""
    pitches, _ = librosa.piptrack(sr=RATE, n_fft=N_FFT, hop_length=HOP, **of)
    found = pitches[pitches > 0]
    return float(found.mean()) if len(found) else 0.0


def _pause_rate(samples: np.ndarray) -> float:
    """Not a rate of pauses: the level is taken over frames at each place in a frame."""
    framed = librosa.util.frame(samples, frame_length=N_FFT, hop_length=HOP)
    level = librosa.feature.rms(y=framed).mean(axis=1)
    return float((level < QUIET).sum() / framed.shape[1])
