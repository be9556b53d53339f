"""F0 and voicing: what is sung is found, at every level, and nothing looks ahead."""

from __future__ import annotations

import numpy as np
import pytest

from ser_tinyml import features
from ser_tinyml.features import FeatureConfig, pitch, pitch_inputs, pitch_track, preset
from ser_tinyml.files import DataError

CONFIG = preset("default", pitch=True)
RATE = CONFIG.sample_rate


def sung(hertz, *, seconds: float = 1.0, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Harmonics of one F0 or of a course of them, falling by 12 dB an octave, with formants."""
    course = np.broadcast_to(np.asarray(hertz, float), (int(seconds * rate),))
    phase = 2 * np.pi * np.cumsum(course) / rate
    harmonic = np.arange(1, int(3800 / course.max()) + 1)[:, None]
    frequency = harmonic * course.mean()
    formants = sum(
        np.exp(-(((frequency - centre) / width) ** 2))
        for centre, width in ((600, 120), (1200, 150), (2500, 200))
    )
    start = np.random.default_rng(seed).uniform(0, 2 * np.pi, harmonic.shape)
    sound = (np.sin(harmonic * phase + start) * (0.1 + formants) / harmonic).sum(axis=0)
    return (0.1 * sound / np.abs(sound).max()).astype(np.float32)


def hertz(track: np.ndarray) -> np.ndarray:
    return pitch.REFERENCE_HZ * 2 ** track[:, 0].astype(float)


def noise(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, count).astype(np.float32)


@pytest.mark.parametrize("f0", [70, 100, 140, 200, 280, 400, 600])
def test_a_sung_note_is_found_to_a_quarter_of_a_tone(f0) -> None:
    track = pitch_track(sung(f0), CONFIG)
    assert track.dtype == np.float32 and track.shape == (30, 2)
    np.testing.assert_allclose(hertz(track), f0, rtol=0.03)
    assert track[:, 1].min() > 0.8


@pytest.mark.parametrize(
    "changes",
    [
        {"sample_rate": 22_050},
        {"n_fft": 2048, "window_length": 1024},
        {"n_fft": 2048, "window_length": 1500, "hop_length": 300},
        {"sample_rate": 8_000, "n_fft": 512, "window_length": 400, "fmax": 4_000.0},
    ],
)
def test_other_rates_windows_and_transforms_find_it_too(changes) -> None:
    config = preset("default", pitch=True, **changes)
    for f0 in (110, 220):
        track = pitch_track(sung(f0, rate=config.sample_rate), config)
        np.testing.assert_allclose(hertz(track), f0, rtol=0.03)
        assert track[:, 1].min() > 0.7


def test_a_glide_is_followed_and_an_octave_not_leapt() -> None:
    course = np.geomspace(120, 300, RATE)
    track = pitch_track(sung(course), CONFIG)
    middle = (np.arange(len(track)) * CONFIG.hop_length + CONFIG.window_length // 2).astype(int)
    np.testing.assert_allclose(hertz(track), course[middle], rtol=0.04)


def test_noise_has_no_voice_and_a_voice_under_it_is_found() -> None:
    hiss = noise(3 * RATE)
    assert np.quantile(pitch_track(hiss, CONFIG)[:, 1], 0.99) < pitch.VOICED
    voice = sung(150, seconds=3)
    power = (voice**2).mean()
    for snr_db, found in ((20, 0.99), (5, 0.97), (0, 0.85)):
        mixed = voice + hiss * np.sqrt(power * 10 ** (-snr_db / 10)) / 0.1
        right = abs(hertz(pitch_track(mixed, CONFIG)) / 150 - 1) < 0.2
        assert right.mean() >= found


def test_silence_and_a_click_have_no_voice() -> None:
    assert not pitch_track(np.zeros(RATE, np.float32), CONFIG).any()
    click = np.zeros(RATE, np.float32)
    click[RATE // 2] = 0.5
    assert pitch_track(click, CONFIG)[:, 1].max() < pitch.VOICED
    assert pitch_track(np.zeros(10, np.float32), CONFIG).shape == (1, 2)


@pytest.mark.parametrize("decibel", [-20, 20, 47])
def test_level_changes_nothing(decibel) -> None:
    sound = np.concatenate([sung(130), noise(RATE // 2) / 50, sung(240)])
    before, after = (pitch_track(s, CONFIG) for s in (sound, sound * 10 ** (decibel / 20)))
    np.testing.assert_allclose(after, before, atol=2e-5)
    np.testing.assert_array_equal(pitch_track(sound * np.float32(0.25), CONFIG), before)


def test_hum_in_a_pause_counts_less_than_a_voice() -> None:
    hum = sung(100, seconds=2) * np.float32(0.003)
    voice = sung(220)
    alone = pitch_track(hum, CONFIG)[:, 1]
    after = pitch_track(np.concatenate([voice, hum[: RATE // 2]]), CONFIG)[-10:, 1]
    assert alone.min() > 0.8 > 0.5 > after.max()


def test_nothing_looks_ahead() -> None:
    sound = np.concatenate([sung(130), sung(240), noise(RATE)])
    whole = pitch_track(sound, CONFIG)
    for frames in (1, 25, 40, 63):
        length = (frames - 1) * CONFIG.hop_length + CONFIG.window_length
        np.testing.assert_array_equal(pitch_track(sound[:length], CONFIG), whole[:frames])


def test_an_octave_is_not_leapt_for_one_frame() -> None:
    """The frame in the middle has a slightly better candidate an octave lower."""
    octaves = np.array([[0.0, -1.0, 0.0]] * 7, np.float32)
    height = np.array([[0.8, 0.7, 0]] * 7, np.float32)
    height[3] = [0.75, 0.8, 0]
    bonus = np.array([[0.04, 0.0, -1]] * 7, np.float32)
    found = pitch.followed(pitch.Peaks(octaves, height, bonus, np.ones(7, np.float32)))
    assert not found[:, 0].any()
    height[3:] = [0.5, 0.8, 0]  # it stays better: it is right
    found = pitch.followed(pitch.Peaks(octaves, height, bonus, np.ones(7, np.float32)))
    assert found[:, 0].tolist() == [0, 0, 0, -1, -1, -1, -1]


def test_log2_is_exact_to_single_precision() -> None:
    values = (2.0 ** np.random.default_rng(0).uniform(-30, 30, 20_000)).astype(np.float32)
    values = np.append(values, np.float32([1, 2, 0.5, 0.70710677, 0.7071068]))
    expected = np.log2(values.astype(float))
    error = abs(pitch.log2(values) - expected) / np.maximum(abs(expected), 1)
    assert error.max() < 4e-7
    assert pitch.log2(np.float32([1, 2, 4])).tolist() == [0, 1, 2]


def test_inputs_hold_f0_and_measure_it_against_its_own_past() -> None:
    nan = 7.0  # of frames without a voice, whatever it is
    octaves = [nan, 1.0, 0.0, nan, nan, -1.0]
    voicing = [0.1, 0.9, 0.5, 0.4, 0.0, 0.6]
    found = pitch_inputs(np.array([octaves, voicing], np.float32).T)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], np.float32([0, 1, 0, 0, 0, -1]))
    np.testing.assert_array_equal(found[:, 1], np.float32(voicing))
    np.testing.assert_allclose(found[:, 2], [0, 0, -0.5, -0.5, -0.5, -1], atol=1e-7)
    both = np.stack([np.array([octaves, voicing]).T, np.zeros((6, 2))])
    np.testing.assert_array_equal(pitch_inputs(both)[0], found)
    assert not pitch_inputs(both)[1].any()


def test_the_features_have_the_pitch_behind_the_changes() -> None:
    sound = np.concatenate([noise(RATE) / 300, sung(180, seconds=1.2)])
    plain = preset("default")
    with_pitch = features.waveform_features(sound, CONFIG).reshape(94, 43)
    without = features.waveform_features(sound, plain).reshape(94, 40)
    np.testing.assert_array_equal(with_pitch[:, :40], without)
    start = features.onset(features.log_mel(sound, CONFIG), CONFIG)
    assert start > 20
    track = pitch_track(sound, CONFIG)[start:]
    np.testing.assert_array_equal(with_pitch[: len(track), 40:], pitch_inputs(track))
    assert not with_pitch[len(track) :, 41].any()  # silence after the end has no voice
    assert (with_pitch[len(track) :, 40] == with_pitch[len(track) - 1, 40]).all()


def test_off_nothing_is_different() -> None:
    plain = preset("default")
    assert "pitch" not in plain.to_dict() and plain.n_values == 40
    assert CONFIG.to_dict()["pitch"] is True and CONFIG.hash != plain.hash
    assert CONFIG.feature_shape == (47, 86)


@pytest.mark.parametrize("config", [preset("default"), CONFIG], ids=["without", "with"])
def test_both_are_read_back(config: FeatureConfig, tmp_path) -> None:
    assert FeatureConfig.load(config.save(tmp_path / "features.json")) == config


def test_bands_without_their_pitch_are_refused() -> None:
    bands = np.zeros((5, CONFIG.n_mels))
    with pytest.raises(DataError, match=r"expected the pitch of \(5,\) frames, found None"):
        features.frame_values(bands, None, CONFIG)
    with pytest.raises(DataError, match=r"found \(4, 2\)"):
        features.frame_values(bands, np.zeros((4, 2)), CONFIG)


@pytest.mark.parametrize(
    "changes",
    [{"pad": "start", "delta_frames": 0}, {"window_length": 512}, {"whole_numbers": True}],
)
def test_what_allows_no_pitch_is_refused(changes) -> None:
    with pytest.raises(DataError, match="features: expected"):
        preset("default", pitch=True, **changes)
