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
    np.testing.assert_allclose(features.tables(config).mel, expected, rtol=1e-6, atol=0)


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


@pytest.mark.parametrize("n_mels", [1, 2, 40, 400])
def test_bands_are_the_filterbank_over_the_spectrum(n_mels: int) -> None:
    """Also where bands are so narrow that some cover no bin."""
    config = preset("default", n_mels=n_mels, n_mfcc=1)
    samples = speech_like(1.0)
    framed = np.lib.stride_tricks.sliding_window_view(samples, config.window_length)
    windowed = framed[:: config.hop_length] * features.tables(config).window
    mel = features.mel_filterbank(config).astype(np.float32).astype(np.float64)
    assert (mel.max(axis=1) == 0).any() == (n_mels == 400)
    power = np.abs(np.fft.rfft(windowed, n=config.n_fft)) ** 2 @ mel.T
    expected = 10 * np.log10(np.maximum(power, 1e-10))
    np.testing.assert_allclose(features.log_mel(samples, config), expected, atol=1e-9)


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
    assert begins - 4 <= features.onset(bands, config) <= begins + 4  # it swells
    assert features.onset(bands[20:30], preset("default", onset_db=None)) == 0
    assert features.onset(np.full((30, config.n_mels), -40.0), config) == 0


def test_short_clip_ends_in_silence() -> None:
    config = preset("default", onset_db=None, stack=1, delta_frames=0)
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
    assert stacked.shape == two.feature_shape == (24, 2 * one.n_values)
    np.testing.assert_array_equal(
        stacked.reshape(one.feature_shape), features.waveform_features(samples, one)
    )


def speech_bands(config: FeatureConfig) -> np.ndarray:
    """Bands of one clip, from the onset of speech on."""
    bands = features.log_mel(speech_like(4.0), config)
    start = features.onset(bands, config)
    return bands[start : start + config.n_frames]


@pytest.mark.parametrize("delta_frames", [1, 2, 5])
def test_changes_stand_behind_the_coefficients_and_begin_when_there_is_a_past(delta_frames) -> None:
    config = preset("default", delta_frames=delta_frames)
    bands = speech_bands(config)
    found = features.cepstra(bands, config)
    plain = features.cepstra(bands, replace(config, delta_frames=0))
    assert found.shape == (config.n_frames, config.n_values) == (94, 2 * plain.shape[1])
    np.testing.assert_array_equal(found[:, : config.n_mfcc], plain)
    change = found[:, config.n_mfcc :]
    assert not change[:delta_frames].any() and change[delta_frames:].any(axis=1).all()
    for frame in (delta_frames, 40, 93):
        np.testing.assert_array_equal(change[frame], plain[frame] - plain[frame - delta_frames])


def test_several_clips_at_once_are_each_by_itself() -> None:
    for level in features.LEVELS:
        config = preset("default", level=level)
        bands = speech_bands(config)
        both = np.stack([bands, bands[::-1] - 7])
        found = features.cepstra(both, config)
        for one, alone in zip(both, found, strict=True):
            np.testing.assert_allclose(features.cepstra(one, config), alone, atol=1e-9)


def test_without_coefficients_the_bands_are_the_features() -> None:
    config = preset("default", n_mfcc=0, delta_frames=0)
    assert config.n_values == config.n_mels and config.feature_shape == (47, 80)
    bands = speech_bands(config)
    found = features.cepstra(bands, config)
    loudest = np.maximum.accumulate(bands.max(axis=1))
    np.testing.assert_allclose(found, np.maximum(bands - loudest[:, None], -60.0), atol=1e-9)
    whole = features.waveform_features(speech_like(4.0), config)
    np.testing.assert_array_equal(whole.reshape(94, 40), found.astype(np.float32))


def test_absolute_bands_keep_the_level() -> None:
    config = preset("default", level="absolute", delta_frames=0)
    bands = speech_bands(config)
    louder = features.cepstra(bands + 12, config) - features.cepstra(bands, config)
    expected = np.zeros(config.n_mfcc)
    expected[0] = 12 * np.sqrt(config.n_mels)  # the zeroth coefficient is the mean, orthonormal
    np.testing.assert_allclose(louder, np.broadcast_to(expected, louder.shape), atol=1e-9)


def test_pcen_is_librosas_and_hardly_hears_the_level() -> None:
    config = preset("default", level="pcen", n_mfcc=0, delta_frames=0)
    bands = speech_bands(config)
    found = features.cepstra(bands, config)
    seconds = config.hop_length / config.sample_rate
    expected = librosa.pcen(
        (10 ** (bands / 10)).T,
        gain=0.98,
        bias=2,
        power=0.5,
        eps=1e-6,
        b=1 - np.exp(-seconds / 0.4),
        zi=np.exp(-seconds / 0.4) * (10 ** (bands[0] / 10))[:, None],
    ).T
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    loud = bands + 20  # where the floor of the smoothing does not count
    ratio = (features.cepstra(loud + 20, config) / features.cepstra(loud, config))[loud > -10]
    assert np.median(ratio) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    "change",
    [
        {"center": True, "onset_db": None},
        {"level": "clip_max"},
        {"level": "absolute"},
        {"level": "pcen"},
        {"n_mfcc": 0},
        {"crop_start_s": 0.4, "crop_end_s": 1.9},
        {"load_rate": 22_050},
        {"pad": "start", "delta_frames": 0},
    ],
)
def test_what_no_board_computes_is_not_called_causal(change) -> None:
    assert preset("default").causal
    assert not preset("default", **change).causal


@pytest.mark.parametrize(
    "change",
    [
        {"delta_frames": 0},
        {"delta_frames": 5, "n_mfcc": 40},
        {"onset_db": None},
        {"stack": 1, "n_frames": 63},
        {"hop_length": 256, "window_length": 512, "n_fft": 512},
        {"range_db": 80.0, "n_mels": 32},
    ],
)
def test_what_a_board_computes_does_not_depend_on_what_comes_later(change) -> None:
    config = preset("default", **change)
    assert config.causal
    bands = features.log_mel(speech_like(2.5), config)[: config.n_frames]
    later = bands.copy()
    later[40:] += 30
    np.testing.assert_array_equal(
        features.cepstra(bands, config)[:40], features.cepstra(later, config)[:40]
    )


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
        ({"n_mfcc": -1}, "n_mfcc"),
        ({"delta_frames": 94}, "delta_frames"),
        ({"pad": "start"}, "delta_frames"),
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
