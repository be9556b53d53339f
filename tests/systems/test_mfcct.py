"""Statistics of MFCC over a clip."""

from __future__ import annotations

import librosa
import numpy as np
from scipy import stats

from ser_tinyml.systems import mfcct
from ser_tinyml.systems.parts import conv162_features as conv162


def test_each_coefficient_has_its_statistics_in_their_order() -> None:
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.normal(size=conv162.RATE)).astype(np.float32)
    found = mfcct.features(samples)
    assert found.shape == (mfcct.COUNT,) == (240,)
    third = dict(zip(mfcct.STATISTICS, found.reshape(mfcct.N_MFCC, -1)[2], strict=True))
    values = librosa.feature.mfcc(
        y=samples, sr=conv162.RATE, n_mfcc=20, n_fft=conv162.N_FFT, hop_length=conv162.HOP
    )[2]
    expected = {
        "minimum": values.min(),
        "maximum": values.max(),
        "mean": values.mean(),
        "median": np.median(values),
        "standard deviation": values.std(),
        "variance": values.var(),
        "coefficient of variation": stats.variation(values) * np.sign(values.mean()),
        "RMS": np.sqrt((values**2).mean()),
        "first quartile": np.percentile(values, 25),
        "third quartile": np.percentile(values, 75),
        "range": np.ptp(values),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(third[name], value, rtol=1e-4, err_msg=name)
    width = np.ptp(values) / mfcct.BINS
    inside = np.abs(values - third["mode"]) <= width / 2
    others = [np.sum(np.abs(values - at) <= width / 2) for at in values]
    assert inside.sum() >= np.median(others)


def test_a_clip_in_which_nothing_moves_has_finite_numbers() -> None:
    assert np.isfinite(mfcct.features(np.zeros(conv162.RATE, np.float32))).all()
