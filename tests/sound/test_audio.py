"""Waveforms: the vocoder against librosa's, and what counts as sound."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from ser_tinyml.files import DataError
from ser_tinyml.sound import audio


@pytest.fixture
def voice() -> np.ndarray:
    rng = np.random.default_rng(1)
    time = np.arange(24_000) / 16_000
    tone = sum(np.sin(2 * np.pi * 180 * k * time + rng.uniform(0, 6)) / k for k in range(1, 9))
    return 0.2 * tone * (1 + np.sin(7 * time)) + 0.01 * rng.normal(size=len(time))


@pytest.mark.parametrize("rate", [0.8, 1.0, 1.25])
def test_time_stretch_is_librosas(voice, rate) -> None:
    expected = librosa.effects.time_stretch(voice, rate=rate)
    found = audio.time_stretch(voice, rate=rate)
    assert len(found) == round(len(voice) / rate)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_time_stretch_of_digital_silence_is_librosas(voice) -> None:
    voice[:6000] = 0
    np.testing.assert_allclose(
        audio.time_stretch(voice, rate=0.8),
        librosa.effects.time_stretch(voice, rate=0.8),
        atol=1e-8,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_time_stretch_of_sounds_too_faint_to_have_a_direction(voice, dtype) -> None:
    limits = np.finfo(dtype)
    for level in (limits.tiny, limits.smallest_subnormal * 8):
        found = audio.time_stretch((voice * level).astype(dtype), rate=0.9)
        assert np.isfinite(found).all()
        assert np.abs(found).max() <= 2 * level


@pytest.mark.parametrize("semitones", [-2, 0.7])
def test_pitch_shift_is_librosas(voice, semitones) -> None:
    np.testing.assert_allclose(
        audio.pitch_shift(voice, sample_rate=16_000, semitones=semitones),
        librosa.effects.pitch_shift(voice, sr=16_000, n_steps=semitones),
        atol=1e-5,
    )


def test_stft_there_and_back(voice) -> None:
    spectrum = audio.stft(voice, n_fft=1024, hop_length=256)
    np.testing.assert_allclose(spectrum.T, librosa.stft(voice, n_fft=1024), atol=1e-9)
    np.testing.assert_allclose(
        audio.istft(spectrum, hop_length=256, length=len(voice)), voice, atol=1e-9
    )


def test_a_waveform_is_int16_or_floats_of_full_scale_1() -> None:
    floats = np.array([0, 0.25, -1, 1])
    integers = np.array([0, 8192, -32768, 32767], np.int16)
    for dtype in (np.float16, np.float32, np.float64):
        np.testing.assert_array_equal(audio.as_int16(floats.astype(dtype), name="x"), integers)
    assert audio.as_int16(integers, name="x") is integers
    wrong = (
        *(integers.astype(np.int32), integers.astype(np.uint8), floats * 1.1, floats > 0),
        *(floats.astype(complex), floats[np.newaxis], np.array([0, np.nan]), np.array(0.5)),
    )
    for samples in wrong:
        with pytest.raises(DataError, match="^x: expected int16 or floats within ±1 "):
            audio.as_int16(samples, name="x")
