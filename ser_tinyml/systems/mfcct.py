"""MFCC with time-domain features (MFCCT) as the input of the Conv1D net.

What each of 20 MFCC does over a clip, in twelve statistics: the order of the frames is lost as in
the recipe of 162 features, but not how far and how widely they move.

References
----------
A. S. Alluhaidan, O. Saidani, R. Jahangir, M. A. Nauman, O. S. Neffati, Speech Emotion Recognition
through Hybrid Features and Convolutional Neural Network, Applied Sciences 13 (8), 2023, 4750.
The abstract was read, and not how the authors cut clips into bins and split them: net and
statistics are this project's.
"""

from __future__ import annotations

import librosa
import numpy as np

from ser_tinyml.systems.face import PUBLISHED, SPEAKERS, System, Test
from ser_tinyml.systems.parts import conv162_features as conv162
from ser_tinyml.systems.parts import conv162_net as net
from ser_tinyml.systems.parts.conv162_net import Settings
from ser_tinyml.systems.parts.keras_fit import FitSettings

N_MFCC = 20
BINS = 16  # of the histogram whose fullest bin is the mode
STATISTICS = (
    *("minimum", "maximum", "mean", "median", "mode", "standard deviation", "variance"),
    *("coefficient of variation", "RMS", "first quartile", "third quartile", "range"),
)
COUNT = N_MFCC * len(STATISTICS)
FLAT = 1e-6  # a mean that is nearer to 0 is taken as so far away from it


def features(samples: np.ndarray) -> np.ndarray:
    """Statistics over the frames of a clip, coefficient by coefficient.

    Parameters
    ----------
    samples [shape=(n,)]
        float32 at 22,050 Hz.

    Returns
    -------
    features [shape=(240,)]
        float32: `STATISTICS` of the first MFCC, of the second, and so on.
    """
    mfcc = librosa.feature.mfcc(
        y=samples, sr=conv162.RATE, n_mfcc=N_MFCC, n_fft=conv162.N_FFT, hop_length=conv162.HOP
    )
    return np.concatenate([_statistics(values) for values in mfcc]).astype(np.float32)


def _statistics(values: np.ndarray) -> list[float]:
    counts, edges = np.histogram(values, bins=BINS)
    fullest = int(counts.argmax())
    low, first, median, third, high = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    mean, deviation = values.mean(), values.std()
    return [
        *(low, high, mean, median, (edges[fullest] + edges[fullest + 1]) / 2),
        *(deviation, deviation**2, deviation / max(abs(mean), FLAT)),
        *(np.sqrt(np.mean(np.square(values))), first, third, high - low),
    ]


SYSTEM = System(
    name="mfcct",
    title="Conv1D over 240 statistics of MFCC (MFCCT)",
    sample_rate=conv162.RATE,
    least_s=0.7,
    prepare=conv162.prepare,
    features=features,
    train=net.train,
    load=net.load,
    settings=Settings(filters=(64, 32, 16), places=True, fit=FitSettings(epochs=12, patience=12)),
    quick=Settings(filters=(16, 8, 8), places=True, fit=FitSettings(epochs=1, batch_size=32)),
    tests={
        PUBLISHED: Test(
            rows={"protocol": "clip_random", "class_set": "seven", "test_fraction": 0.2},
            quoted={"accuracy": 0.92},
            source="MFCCT, RAVDESS alone, eight classes",
        ),
        SPEAKERS: Test(rows={"protocol": "speaker", "class_set": "seven"}),
    },
)
SYSTEMS = (SYSTEM,)
