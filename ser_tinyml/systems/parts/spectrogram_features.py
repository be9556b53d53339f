"""A recording as a picture of 64 mel bands by 192 frames, 3.07 s from where it begins to speak.

Values are levels: 1 is the loudest of the clip, 0 is 80 dB or more below it. So a picture of a
spectrogram, which shows levels as colours, holds the same numbers.
"""

from __future__ import annotations

import librosa
import numpy as np

RATE = 16_000  # Hz
N_FFT, HOP = 512, 256  # 32 ms and 16 ms
BANDS, FRAMES = 64, 192
SHAPE = (BANDS, FRAMES)
LENGTH = FRAMES * HOP - 1  # samples that have so many frames
RANGE_DB = 80.0
SPOKEN_DB = 35.0  # below the loudest frame: what is louder is speech
LEAD_S = 0.1  # kept before the speech and after it
LOWEST = 1e-14  # power: RAVDESS is very quiet


def prepare(samples: np.ndarray) -> np.ndarray:
    """Cut off the silence before and after the speech."""
    level = librosa.feature.rms(y=samples, frame_length=N_FFT, hop_length=HOP, center=False)[0]
    spoken = np.flatnonzero(level >= level.max() * 10 ** (-SPOKEN_DB / 20))
    lead = round(LEAD_S * RATE)
    return samples[max(0, spoken[0] * HOP - lead) : spoken[-1] * HOP + N_FFT + lead]


def features(samples: np.ndarray) -> np.ndarray:
    """Levels of mel bands; what is too long is cut off at the end, after a short one is silence.

    Parameters
    ----------
    samples [shape=(n,)]
        float32 at `RATE`.

    Returns
    -------
    features [shape=(64, 192)]
        float32 from 0 to 1; the lowest band first.
    """
    mel = librosa.feature.melspectrogram(
        y=samples[:LENGTH], sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS, fmax=RATE / 2
    )
    level = librosa.power_to_db(mel, ref=np.max, amin=LOWEST, top_db=RANGE_DB)
    found = np.zeros(SHAPE, np.float32)
    found[:, : level.shape[1]] = level / RANGE_DB + 1
    return np.clip(found, 0, 1)
