"""Features: equal to librosa where it defines them, causal where a board has to compute them."""

from __future__ import annotations

from dataclasses import replace

import librosa
import numpy as np
import pytest

from ser_tinyml import features
from ser_tinyml.features import FeatureConfig, preset
from ser_tinyml.files import DataError, read_json, write_json

RATE = 16_000


def speech_like(seconds: float, *, seed: int = 0) -> np.ndarray:
    """Half a second of faint noise, then a gliding harmonic tone that swells and fades."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    time = np.arange(n) / RATE
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(3 * time)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    envelope = np.clip(time - 0.5, 0, 1) * (1 + np.sin(9 * time)) / 2
    return (0.1 * voice * envelope + 1e-4 * rng.normal(size=n)).astype(np.float32)


def test_original_preset_is_librosa_mfcc() -> None:
    config = preset("original", whole_numbers=False)
    samples = speech_like(1.5)
    expected = librosa.feature.mfcc(y=samples, sr=RATE, n_mfcc=13, n_fft=2048, hop_length=512).T
    found = features.waveform_features(samples, config)
    assert found.shape == (47, 13)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_original_preset_cuts_to_whole_numbers_and_fills_at_the_start() -> None:
    found = features.waveform_features(speech_like(1.0), preset("original"))
    np.testing.assert_array_equal(found, np.trunc(found))
    frames = 1 + RATE // 512
    assert not found[: 47 - frames].any() and found[47 - frames :].any(axis=1).all()


@pytest.mark.parametrize("name", ["default", "original"])
def test_filterbank_is_librosas(name) -> None:
    config = preset(name)
    expected = librosa.filters.mel(
        sr=config.sample_rate,
        n_fft=config.n_fft,
        n_mels=config.n_mels,
        fmin=config.fmin,
        fmax=config.fmax,
        dtype=np.float32,
    )
    np.testing.assert_allclose(features.tables(config).mel.toarray(), expected, rtol=1e-6, atol=0)


def test_log_mel_of_the_default_is_librosa_without_centring() -> None:
    config = preset("default")
    samples = speech_like(2.0)
    power = librosa.feature.melspectrogram(
        y=samples.astype(np.float64),
        sr=RATE,
        n_fft=config.n_fft,
        win_length=config.window_length,
        hop_length=config.hop_length,
        center=False,
        n_mels=config.n_mels,
        fmin=config.fmin,
        fmax=config.fmax,
    )
    expected = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None).T
    np.testing.assert_allclose(features.log_mel(samples, config), expected, atol=1e-4)


def test_default_is_causal() -> None:
    """What comes later must not change the frames before: the wall that firmware rests on."""
    config = preset("default")
    assert config.causal and not preset("original").causal
    samples = speech_like(2.5)
    bands = features.log_mel(samples, config)
    start = features.onset(bands, config)
    cut = samples[: (start + 20) * config.hop_length + config.window_length]
    changed = np.concatenate([cut, np.ones(RATE, np.float32)])  # the loudest thing yet
    steps = 20 // config.stack
    np.testing.assert_array_equal(
        features.waveform_features(samples, config)[:steps],
        features.waveform_features(changed, config)[:steps],
    )


@pytest.mark.parametrize("decibel", [-20, 20])
def test_default_does_not_hear_the_level(decibel: float) -> None:
    config = preset("default")
    samples = speech_like(2.0)
    louder = samples * 10 ** (decibel / 20)
    np.testing.assert_allclose(
        features.waveform_features(samples, config),
        features.waveform_features(louder, config),
        atol=0.05,
    )


def test_onset_is_where_the_voice_begins() -> None:
    config = preset("default")
    bands = features.log_mel(speech_like(2.0), config)
    begins = 0.5 * RATE / config.hop_length
    assert begins - 4 <= features.onset(bands, config) <= begins + 2
    assert features.onset(bands[20:30], preset("default", onset_db=None)) == 0
    assert features.onset(np.full((30, config.n_mels), -40.0), config) == 0


def test_short_clip_ends_in_silence() -> None:
    config = preset("default", onset_db=None, stack=1)
    found = features.waveform_features(speech_like(0.9), config)
    silence = np.zeros(config.n_mfcc)
    silence[0] = -config.range_db * np.sqrt(config.n_mels)
    np.testing.assert_allclose(found[-1], silence, atol=1e-3)
    assert found.shape == config.feature_shape


def test_stacking_only_reshapes() -> None:
    one = preset("default", n_frames=48, stack=1)
    two = preset("default", n_frames=48, stack=2)
    samples = speech_like(2.0)
    stacked = features.waveform_features(samples, two)
    assert stacked.shape == (24, 26)
    np.testing.assert_array_equal(stacked.reshape(48, 13), features.waveform_features(samples, one))


def test_config_survives_its_file_and_notices_a_change(tmp_path) -> None:
    config = preset("default", n_mels=32)
    path = config.save(tmp_path / "features.json")
    assert FeatureConfig.load(path) == config
    values = read_json(path)
    write_json(path, {**values, "n_mels": 30})
    with pytest.raises(DataError, match="expected hash"):
        FeatureConfig.load(path)
    del values["n_fft"]
    write_json(path, values)
    with pytest.raises(DataError, match="n_fft"):
        FeatureConfig.load(path)


def test_hash_is_of_the_values_not_the_name() -> None:
    config = preset("default")
    assert replace(config, name="other").hash == config.hash
    assert replace(config, n_mels=39).hash != config.hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_mfcc": 41, "n_mels": 40}, "n_mfcc"),
        ({"fmax": 9000.0}, "fmax"),
        ({"window_length": 4096}, "window_length"),
        ({"level": "loud"}, "level"),
        ({"center": True}, "onset"),
        ({"n_frames": 47, "stack": 2}, "stack"),
        ({"hop": 1}, "hop"),
    ],
)
def test_a_bad_configuration_is_refused(change, message) -> None:
    with pytest.raises(DataError, match=message):
        preset("default", **change)


def test_nothing_in_gives_an_error() -> None:
    with pytest.raises(DataError, match="at least one sample"):
        features.waveform_features(np.zeros(0, np.float32), preset("default"))
    with pytest.raises(DataError, match="expected one of"):
        preset("mine")
