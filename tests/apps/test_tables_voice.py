"""What Praat measures: known sounds, known numbers."""

from __future__ import annotations

import re

import numpy as np
import parselmouth
import pytest
from parselmouth.praat import call

from ser_tinyml.apps.tables import voice

RATE = 16_000


def pulses(at: np.ndarray, height: np.ndarray, seconds: float) -> np.ndarray:
    """A wavelet of a millisecond, whose mean is 0, at each of some times in s [shape=(n,)]."""
    away = ((np.arange(int(seconds * RATE))[:, None] / RATE - at) / 2e-4) ** 2
    return (height * (1 - away) * np.exp(-away / 2)).sum(axis=1).astype(np.float32)


def train(
    *, jitter: float = 0.0, shimmer: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A second and a half of pulses, their periods in s and heights, both shaken by chance."""
    rng = np.random.default_rng(0)
    periods = 6e-3 * (1 + jitter * rng.uniform(-1, 1, 240))
    heights = 0.5 * (1 + shimmer * rng.uniform(-1, 1, 240))
    return pulses(0.02 + np.cumsum(periods), heights, 1.5), periods, heights


def local(values: np.ndarray) -> float:
    """How far neighbours differ, in % of the mean."""
    return 100 * np.abs(np.diff(values)).mean() / values.mean()


def buzz(f0: float, seconds: float) -> np.ndarray:
    phase = 2 * np.pi * f0 * np.arange(int(seconds * RATE)) / RATE
    return (0.05 * sum(np.sin(k * phase) / k for k in range(1, 15))).astype(np.float32)


def syllables(count: int, seconds: float) -> np.ndarray:
    sound = buzz(150, seconds)
    time = np.arange(len(sound)) / len(sound)
    return sound * (0.55 - 0.45 * np.cos(2 * np.pi * count * time)).astype(np.float32)


def test_a_steady_tone_is_steady() -> None:
    found = voice.measure(buzz(150, 1.0), rate=RATE)
    assert set(found) == set(voice.MEASURES)
    assert found["f0_median_hz"] == pytest.approx(150, rel=1e-3)
    assert found["f0_low_hz"] <= found["f0_median_hz"] <= found["f0_high_hz"]
    assert found["f0_range_st"] == pytest.approx(0, abs=0.01)
    assert found["voicing"] == 1 and found["hnr_db"] > 40
    assert found["jitter_percent"] < 0.01 and found["shimmer_percent"] < 0.05


@pytest.mark.parametrize("share", [0.01, 0.02])
def test_jitter_and_shimmer_are_what_was_put_in(share) -> None:
    samples, periods, _ = train(jitter=share)
    shaken = voice.measure(samples, rate=RATE)
    assert shaken["jitter_percent"] == pytest.approx(local(periods), rel=0.1)
    samples, _, heights = train(shimmer=share)
    uneven = voice.measure(samples, rate=RATE)
    assert uneven["shimmer_percent"] == pytest.approx(local(heights), rel=0.1)
    assert uneven["jitter_percent"] < 0.2


def test_the_voice_is_that_of_praats_own_report() -> None:
    noise = 0.01 * np.random.default_rng(0).normal(size=int(1.5 * RATE)).astype(np.float32)
    samples = train(jitter=0.01, shimmer=0.05)[0] + noise
    found = voice.measure(samples, rate=RATE)
    sound = parselmouth.Sound(samples.astype(np.float64) - samples.mean(dtype=float), RATE)
    pitch = sound.to_pitch_ac(
        time_step=voice.STEP_S, pitch_floor=voice.LOWEST_HZ, pitch_ceiling=voice.HIGHEST_HZ
    )
    objects = [sound, pitch, call([sound, pitch], "To PointProcess (cc)")]
    limits = (voice.LOWEST_HZ, voice.HIGHEST_HZ, 1.3, 1.6, 0.03, 0.45)
    frames = sound.to_intensity(minimum_pitch=voice.LOWEST_HZ, time_step=voice.STEP_S).xs()
    part = (frames[0] - voice.STEP_S / 2, frames[-1] + voice.STEP_S / 2)
    text = call(objects, "Voice report", *part, *limits)
    for name, title in (
        ("f0_median_hz", "Median pitch"),
        ("hnr_db", "Mean harmonics-to-noise ratio"),
        ("jitter_percent", "Jitter (local)"),
        ("shimmer_percent", "Shimmer (local)"),
    ):
        said = re.search(rf"{re.escape(title)}: ([\d.]+)", text)[1]
        assert found[name] == pytest.approx(float(said), rel=0.002), name


def test_syllables_are_counted() -> None:
    found = voice.measure(syllables(8, 2.0), rate=RATE)
    assert found["syllables"] == 8
    assert found["speech_rate"] == pytest.approx(4, rel=0.1)


def test_pauses_around_the_speech_change_no_number() -> None:
    sound, pause = syllables(6, 1.5), np.zeros(RATE // 2, np.float32)
    alone, around = (
        voice.measure(s, rate=RATE) for s in (sound, np.concatenate([pause, sound, pause]))
    )
    assert around["syllables"] == alone["syllables"]
    for name in ("f0_median_hz", "voicing", "hnr_db", "intensity_db", "centroid_hz"):
        assert around[name] == pytest.approx(alone[name], rel=0.05), name


def test_gain_moves_the_intensity_alone() -> None:
    sound = syllables(6, 1.5)
    quiet, loud = (voice.measure(s, rate=RATE) for s in (sound, 2 * sound))
    assert loud.pop("intensity_db") - quiet.pop("intensity_db") == pytest.approx(6.02, abs=0.01)
    assert loud == pytest.approx(quiet, rel=1e-3, abs=1e-3)


def test_where_there_is_no_voice_there_is_no_number() -> None:
    hiss = 0.1 * np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    found = voice.measure(hiss, rate=RATE)
    assert found["voicing"] < 0.1 and np.isnan(found["f0_median_hz"])
    assert np.isnan(found["jitter_percent"]) and found["centroid_hz"] > 3000
    short = voice.measure(buzz(150, 0.1), rate=RATE)
    assert np.isnan([*short.values()]).all()
