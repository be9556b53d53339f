"""Waveforms: read from anything, and the vocoder against librosa's."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import soundfile

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


@pytest.mark.parametrize(
    ("suffix", "rate"), [(".wav", 48_000), (".flac", 24_414), (".ogg", 16_000)]
)
def test_reads_any_format_and_rate_as_mono(tmp_path, voice, suffix, rate) -> None:
    path = tmp_path / f"clip{suffix}"
    soundfile.write(path, np.stack([voice, voice], axis=1) * 0.5, rate)
    samples, found = audio.read_audio(path)
    assert found == rate and samples.shape == (24_000,) and samples.dtype == np.float32
    samples, found = audio.read_audio(path, sample_rate=16_000)
    assert found == 16_000 and len(samples) == -(-24_000 * 16_000 // rate)


def test_unusable_recordings_are_named(tmp_path) -> None:
    (tmp_path / "text.wav").write_text("no sound at all")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16_000)
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan], np.float32), 16_000, "FLOAT")
    for name, found in [("text", "found"), ("empty", "no samples"), ("nan", "NaN")]:
        with pytest.raises(DataError, match=f"{name}.wav.*{found}"):
            audio.read_audio(tmp_path / f"{name}.wav")
    with pytest.raises(DataError, match="missing.wav"):
        audio.read_audio(tmp_path / "missing.wav")
