"""The first layers of Whisper's encoder; the model here has random weights."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest

from ser_tinyml.features import whisper
from ser_tinyml.files import DataError
from tests.support import tiny_whisper

RATE = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper.write(tmp_path_factory.mktemp("whisper"))


def sound(seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def test_embedding_knows_no_level_and_no_quiet_ends(folder: Path) -> None:
    encoder = whisper.Encoder(folder)
    samples = np.pad(sound(), 1024)
    embedding = encoder.embed(samples)
    assert embedding.shape == (2 * tiny_whisper.WIDTH,) and embedding.dtype == np.float32
    padded = np.pad(samples * np.float32(0.01), (4096, 8192))
    np.testing.assert_allclose(encoder.embed(padded), embedding, atol=0.005)
    assert np.abs(encoder.embed(sound()[::-1].copy()) - embedding).max() > 0.001


@pytest.mark.parametrize("samples", [np.zeros(1), np.ones(1), np.zeros(RATE), sound(40)])
def test_any_length_is_heard(folder: Path, samples: np.ndarray) -> None:
    assert np.isfinite(whisper.load(folder).embed(samples.astype(np.float32))).all()


def test_each_layer_counts(folder: Path) -> None:
    found = [whisper.Encoder(folder, layers=layers).embed(sound()) for layers in (1, 2, 3)]
    assert not np.allclose(found[0], found[1]) and not np.allclose(found[1], found[2])


def test_log_mel_is_that_of_the_paper() -> None:
    samples = sound(0.5)
    power = librosa.feature.melspectrogram(
        y=samples, sr=RATE, n_fft=400, hop_length=160, n_mels=80, fmax=8000, pad_mode="reflect"
    )[:, :-1]
    expected = np.log10(np.maximum(power, 1e-10))
    expected = (np.maximum(expected, expected.max() - 8) + 4) / 4
    np.testing.assert_allclose(whisper.log_mel(samples), expected, atol=1e-4)


def test_broken_models_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    data = (folder / whisper.MODEL).read_bytes()
    with pytest.raises(DataError, match=r"model\.bin: expected an encoder of 4 layers"):
        whisper.Encoder(folder, layers=4)
    with pytest.raises(DataError, match="expected a Whisper model in the format of CTranslate2"):
        whisper.Encoder(tmp_path)
    for broken, message in (
        (data[:5000], "bytes or more"),
        (data.replace(b"WhisperSpec", b"MarianSpec\0"), "expected a WhisperSpec"),
        (b"", "bytes or more"),
    ):
        (tmp_path / whisper.MODEL).write_bytes(broken)
        with pytest.raises(DataError, match=f"model.bin.*{message}"):
            whisper.Encoder(tmp_path)
