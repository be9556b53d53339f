"""Where features begin: gain, dither and silence leave it alone, and a steady noise is no part."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ser_tinyml import features
from ser_tinyml.data import demo
from ser_tinyml.features import Beginning, Levels, preset
from ser_tinyml.files import DataError

CONFIG = preset("default")
HOP = CONFIG.hop_length
SEEDS = range(12)


@cache
def spoken(seed: int) -> np.ndarray:
    """A sentence of synthetic speech at some level, int16, with near silence around it or none."""
    rng = np.random.default_rng(seed)
    emotion = list(demo.STYLES)[seed % len(demo.STYLES)]
    (voice,) = demo.speak(["We saw them at the station"], emotion=[emotion], seed=seed)
    start = 0 if seed % 3 else len(voice) // 4
    voice = voice[start:] * (rng.uniform(0.1, 0.3) / np.abs(voice / 32768).max())
    return np.round(voice).astype(np.int16)


def begins(samples: np.ndarray) -> int:
    return features.onset(features.log_mel(samples / np.float32(32768), CONFIG), CONFIG)


def at_levels(level: list[float], **changes: object) -> int:
    """The beginning that levels give, whatever the bands."""
    config = replace(CONFIG, **changes)
    beginning = Beginning(Levels(np.array(level, np.float32), config), 0, waits=True)
    for frame in range(len(level)):
        beginning.push(frame)
    return beginning.start


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("decibel", [-20, -10, 10])
def test_gain_does_not_move_it(seed, decibel) -> None:
    samples = spoken(seed)
    louder = np.round(samples * 10 ** (decibel / 20))
    assert np.abs(louder).max() < 32768
    assert begins(louder.astype(np.int16)) == begins(samples)


@pytest.mark.parametrize("seed", SEEDS)
def test_dither_does_not_move_it(seed) -> None:
    samples = spoken(seed)
    dither = np.random.default_rng(seed).integers(-1, 2, len(samples), np.int16)
    assert begins(samples + dither) == begins(samples)


@pytest.mark.parametrize("seed", SEEDS)
def test_silence_before_does_not_move_it(seed) -> None:
    samples, rng = spoken(seed), np.random.default_rng(seed)
    expected = begins(samples)
    for frames in (2, 9, 62, int(rng.integers(95, 300))):
        zeros = np.zeros(frames * HOP, np.int16)
        assert begins(np.concatenate([zeros, samples])) == expected + frames
        dither = rng.integers(-1, 2, len(zeros), np.int16)
        assert begins(np.concatenate([dither, samples])) == expected + frames
    for count in rng.integers(1, 20 * HOP, 8):  # the grid of frames lies otherwise over the sound
        moved = begins(np.concatenate([np.zeros(count, np.int16), samples]))
        assert abs(moved - expected - count / HOP) < 2


@pytest.mark.parametrize("seed", SEEDS)
def test_silence_after_does_not_move_it(seed) -> None:
    samples = spoken(seed)
    for count in (100, 16_000, 160_000):
        assert begins(np.concatenate([samples, np.zeros(count, np.int16)])) == begins(samples)


@pytest.mark.parametrize("seed", range(6))
def test_features_of_whole_frames_of_silence_before_are_the_same(seed) -> None:
    samples = spoken(seed)
    later = np.concatenate([np.zeros(9 * HOP, np.int16), samples])
    np.testing.assert_array_equal(
        features.waveform_features(later / np.float32(32768), CONFIG),
        features.waveform_features(samples / np.float32(32768), CONFIG),
    )


@pytest.mark.parametrize("frames", [60, 250])
@pytest.mark.parametrize("zeros", [0, HOP, 31 * HOP, 200 * HOP])
def test_a_noise_is_left_where_it_rises(zeros, frames) -> None:
    """The same frame with and without zeros before the noise, for the noise is heard as one."""
    noise = np.random.default_rng(0).normal(0, 300, frames * HOP)
    speech = np.random.default_rng(1).normal(0, 3000, 30 * HOP)
    sound = np.concatenate([np.zeros(zeros), noise, speech]).astype(np.int16)
    found = begins(sound) - zeros // HOP
    assert found == frames - 1 - CONFIG.preroll_frames, (
        "the first loud frame shares half with noise"
    )


def test_speech_stays_in_range_to_the_dot() -> None:
    assert at_levels([-60.0, -50.0, -50.0, -20.0, -20.0]) == 2, "30 dB are in range"
    assert at_levels([-60.0, -50.5, -50.5, -20.0, -20.0]) == 4, "the first whole frame of them"
    assert at_levels([-20.0, -60.0, -60.0, -20.0, -20.0]) == 0, "silence in between is no matter"


def test_what_began_long_ago_does_not_move() -> None:
    quiet, word, late = [-60.0] * 3, [-30.0] * 20, [-12.0, -11.0]
    assert at_levels([*quiet, *word, *late], onset_range_db=48.5) == 0, "out of range too late"
    assert at_levels([*quiet, *word[:5], *late], onset_range_db=48.5) == 4
    assert at_levels([*quiet, *word, *late], onset_range_db=17.0) == 24, "and so is the word"


def test_a_steady_noise_needs_its_time() -> None:
    assert at_levels([-40.0] * 8 + [-25.0] * 4) == 6
    assert at_levels([-40.0] * 7 + [-25.0] * 4) == 0
    assert at_levels([-40.0] * 8 + [-25.0, -40.0, -25.0, -40.0]) == 0, "no run"
    assert at_levels([-30.0, -30.0, *[-45.0] * 8, -30.0, -30.0]) == 0, "speech, and a pause"
    assert at_levels([-40.0] * 20 + [-31.0] * 4) == 0, "9 dB are not over 9 dB"
    assert at_levels([-40.0] * 20 + [-30.9] * 4) == 18


def test_an_onset_is_computed_in_microseconds() -> None:
    """35,000 clips of a run, several times each."""
    bands = features.log_mel(spoken(1) / np.float32(32768), CONFIG)
    seconds = []
    for _ in range(50):
        started = time.perf_counter()
        features.onset(bands, CONFIG)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 1e-3


def test_level_is_the_sum_of_powers() -> None:
    bands = np.random.default_rng(0).uniform(-90, 10, (50, 40))
    expected = 10 * np.log10((10 ** (bands / 10)).sum(axis=1))
    found = features.level_db(bands)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)
    silence = features.level_db(features.log_mel(np.zeros(5000), CONFIG))
    np.testing.assert_allclose(silence, -100 + 10 * np.log10(40), atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"onset_range_db": 9.0},
        {"onset_steady_frames": 2},
        {"onset_history_frames": 3},
        {"onset_frames": 0},
    ],
)
def test_a_board_that_keeps_too_little_is_refused(change) -> None:
    with pytest.raises(DataError, match="onset"):
        preset("default", **change)
