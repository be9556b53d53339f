"""The pitch in C++ gives the bits of Python, from the same spectra."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import small_firmware as small

from ser_tinyml import features
from ser_tinyml.data import demo
from ser_tinyml.device import listener
from ser_tinyml.device.export.sources import write_sources
from ser_tinyml.features import pitch
from ser_tinyml.features.normalisation import Normalisation
from ser_tinyml.sound import audio

CONFIG = replace(small.CONFIG, n_mfcc=2, pitch=True)  # as many inputs as the small model has
OTHER = {  # lags of no power of 2, and a hop that is no half window
    "22050 Hz": {"sample_rate": 22_050},
    "hop 200": {"n_fft": 2048, "window_length": 700, "hop_length": 200},
}


@cache
def sounds() -> dict[str, np.ndarray]:
    """int16: speech and what is none."""
    rng = np.random.default_rng(0)
    spoken = demo.speak(
        ["There is a boat on the lake"] * 2,
        emotion=["happy", "sad"],
        sex=["female", "male"],
        sample_rate=16_000,
        quiet=0.1,
        seed=1,
    )
    hiss = rng.normal(0, 1500, 48_000).astype(np.int16)
    click = np.zeros(20_000, np.int16)
    click[9_000] = 20_000
    noisy = (spoken[1].astype(int) + hiss[: len(spoken[1])] // 2).clip(-32768, 32767)
    return {
        "happy": spoken[0],
        "sad": spoken[1],
        "noisy": noisy.astype(np.int16),
        "hiss": hiss,
        "silence": np.zeros(20_000, np.int16),
        "click": click,
        "square": (np.sign(np.sin(np.arange(30_000) / 11)) * 32_767).astype(np.int16),
        "then silence": np.concatenate([spoken[0][:12_000], np.zeros(9_000, np.int16)]),
    }


def made(samples: np.ndarray, config, model: Path) -> tuple[np.ndarray, np.ndarray]:
    """Power spectra and tracks of the core."""
    framed = audio.frames(
        samples, frame_length=config.window_length, hop_length=config.hop_length
    ).astype("<i2")
    out = small.run("core_host", "track", stdin=framed.tobytes(), model=model)
    values = np.frombuffer(out, "<f4").reshape(len(framed), -1)
    return values[:, :-2], values[:, -2:]


@cache
def _folder() -> Path:
    folder = small.model_folder().parent / "pitch"
    write_sources(folder, replace(small.export(), config=CONFIG))
    return folder


@pytest.mark.parametrize("name", sounds())
def test_tracks_have_the_bits_of_python(name: str) -> None:
    power, track = made(sounds()[name], CONFIG, _folder())
    low = power[:, : len(pitch.pitch_tables(CONFIG).taper)]
    np.testing.assert_array_equal(track, pitch.followed(pitch.peaks(low, CONFIG)))
    if name in ("silence",):
        assert not track.any()
    elif name in ("happy", "sad", "square"):
        assert (track[:, 1] > pitch.VOICED).mean() > 0.3


@pytest.mark.parametrize("name", OTHER)
def test_other_features_have_them_too(name: str, tmp_path: Path) -> None:
    config = replace(CONFIG, **OTHER[name])
    write_sources(tmp_path, replace(small.export(), config=config))
    power, track = made(sounds()["happy"], config, tmp_path)
    low = power[:, : len(pitch.pitch_tables(config).taper)]
    np.testing.assert_array_equal(track, pitch.followed(pitch.peaks(low, config)))


@pytest.mark.parametrize("name", ["happy", "sad", "noisy"])
def test_from_the_samples_they_are_those_of_python_to_rounding(name: str) -> None:
    """Python's spectrum has double precision, the board's single."""
    samples = sounds()[name]
    _, track = made(samples, CONFIG, _folder())
    expected = features.pitch_track(samples / np.float32(32768), CONFIG)
    np.testing.assert_allclose(track, expected, atol=2e-4)


def test_log2_has_the_bits_of_python() -> None:
    values = (2.0 ** np.random.default_rng(0).uniform(-20, 20, 20_000)).astype("<f4")
    values = np.append(values, np.float32([1, 2, 0.5, 0.70710677, 0.7071068]))
    found = small.run("core_host", "log2", stdin=values.tobytes())
    np.testing.assert_array_equal(np.frombuffer(found, "<f4"), pitch.log2(values))


def test_inputs_stand_behind_the_coefficients_and_begin_anew_with_each_window() -> None:
    rng = np.random.default_rng(2)
    count = 3 * CONFIG.n_frames
    bands = rng.normal(-50, 10, (count, CONFIG.n_mels)).astype("<f4")
    track = np.stack([rng.uniform(-1, 1, count), rng.uniform(0, 1, count)], axis=1).astype("<f4")
    track[: CONFIG.n_frames // 2, 1] = 0.3  # a window that begins without a voice
    n_inputs = CONFIG.feature_shape[1]
    folder = small.model_folder().parent / "pitch inputs"
    shift = Normalisation(np.zeros(n_inputs, np.float32), np.ones(n_inputs, np.float32))
    write_sources(folder, replace(small.export(), config=CONFIG, normalisation=shift))
    stdin = np.concatenate([bands, track], axis=1).tobytes()
    step = np.dtype([("features", "<f4", n_inputs), ("inputs", "i1", n_inputs)])
    out = small.run("core_host", "cepstra", stdin=stdin, model=folder)
    found = np.frombuffer(out, step)["features"].reshape(3, CONFIG.n_frames, n_inputs)
    own = track.reshape(3, CONFIG.n_frames, 2)
    np.testing.assert_array_equal(found[:, :, -3:], pitch.pitch_inputs(own))
    expected = features.cepstra(bands.reshape(3, CONFIG.n_frames, -1), CONFIG)
    np.testing.assert_allclose(found[:, :, :-3], expected, atol=2e-4)


def test_board_and_python_hear_the_same_in_a_stream() -> None:
    """Windows open, move on and close; the pitch's hold and mean begin with each of them."""
    said = sounds()
    pause = np.random.default_rng(3).normal(0, 3, 14_000).astype(np.int16)
    samples = np.concatenate([pause, said["happy"], pause, said["sad"] // 4, pause, pause])
    compiled = small.listen(samples, "live", model=_folder())
    hearing = listener.Listener(replace(small.release(), config=CONFIG))
    heard = hearing.listen(samples, rate=CONFIG.sample_rate)
    found = dict(zip((frame for _, frame in compiled.steps), compiled.features, strict=True))
    bands = listener.long_bands(samples / np.float32(32768), CONFIG)
    track = listener.long_track(samples / np.float32(32768), CONFIG)
    assert len(heard.windows) > 2
    voiced = 0
    for window in heard.windows:
        frames = range(window.first, window.last + 1)
        own = slice(window.first, window.last + 1)
        expected = features.frame_values(bands[own], track[own], CONFIG)
        board = np.array([found[frame] for frame in frames])
        np.testing.assert_allclose(board[:, -3:], expected[:, -3:], atol=2e-4)
        voiced += bool(expected[:, -3].any() and expected[:, -1].any())
    assert voiced > 1


def test_a_clip_has_the_features_of_python() -> None:
    samples = sounds()["sad"]
    compiled = small.listen(samples, "clip", model=_folder())
    expected = features.waveform_features(samples / np.float32(32768), CONFIG)
    board = np.array(compiled.features[-CONFIG.n_frames :])
    np.testing.assert_allclose(board[:, -3:], expected[:, -3:], atol=2e-4)


def test_a_long_sound_is_taken_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = sounds()["noisy"] / np.float32(32768)
    whole = listener.long_track(samples, CONFIG, silence=5_000)
    monkeypatch.setattr(listener, "_PIECE", 9_000)
    np.testing.assert_array_equal(listener.long_track(samples, CONFIG, silence=5_000), whole)
    assert listener.long_track(samples, small.CONFIG) is None
