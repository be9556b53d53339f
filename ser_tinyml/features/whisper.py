"""What a large speech model hears in a clip: the first layers of Whisper's encoder, frozen.

The model never runs on a board. In training its outputs are what a teacher is made of
(`training.outside`). It needs the package ctranslate2 (the extra `teacher`) and a folder in the
format of CTranslate2, as faster-whisper gives them out.
Whisper's weights are under the MIT licence.

References
----------
A. Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, ICML 2023.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from pathlib import Path

import numpy as np

from ser_tinyml import files
from ser_tinyml.features.config import FeatureConfig
from ser_tinyml.features.frames import mel_filterbank
from ser_tinyml.files import DataError
from ser_tinyml.sound import audio

LAYERS = 2  # of the encoder: the later ones know words, and less of how they are said
MODEL = "model.bin"
_MELS = FeatureConfig(
    name="whisper", n_fft=400, window_length=400, hop_length=160, n_mels=80, fmin=0.0, fmax=8_000.0
)
_LONGEST = 30 * _MELS.sample_rate  # samples that the encoder has positions for
_TRIM_DB = 35.0  # below the loudest frame; quieter ends are cut off
_TRIM_FRAME, _TRIM_HOP = 512, 256
_PEAK = 0.5


@lru_cache(maxsize=1)
def load(folder: Path, layers: int = LAYERS) -> Encoder:
    """The encoder of a folder, loaded once in a process."""
    return Encoder(folder, layers=layers)


def fingerprint(folder: Path) -> str:
    """What decides the numbers of an encoder: its weights, and the layers that are used."""
    return files.sha256_json([files.sha256_bytes(_model(folder).read_bytes()), LAYERS])


def _model(folder: Path) -> Path:
    path = Path(folder) / MODEL
    if not path.is_file():
        raise DataError(
            f"{folder}: expected a Whisper model in the format of CTranslate2 ({MODEL}), found none"
        )
    return path


class Encoder:
    """Whisper's encoder, cut off after its first layers.

    Parameters
    ----------
    folder
        With model.bin and config.json.
    layers
        How many are kept.

    Raises
    ------
    DataError
        If ctranslate2 is not installed, or the folder holds no such model.
    """

    def __init__(self, folder: str | Path, *, layers: int = LAYERS) -> None:
        try:
            import ctranslate2
        except ImportError as error:
            raise DataError(
                "teacher: expected the package ctranslate2, found none: "
                'pip install "ser-tinyml[teacher]"'
            ) from error
        path = _model(Path(folder))
        parts = {MODEL: io.BytesIO(first_layers(path.read_bytes(), layers, name=str(path)))}
        for other in ("config.json", "vocabulary.txt", "vocabulary.json", "tokenizer.json"):
            if (path.parent / other).is_file():
                parts[other] = io.BytesIO((path.parent / other).read_bytes())
        self._view = ctranslate2.StorageView.from_array
        try:
            self._model = ctranslate2.models.Whisper(
                str(folder), compute_type="int8", intra_threads=1, files=parts
            )
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{path}: expected a Whisper model, found: {error}") from error

    def embed(self, samples: np.ndarray) -> np.ndarray:
        """Mean and deviation over time of the last layer that is kept.

        Parameters
        ----------
        samples [shape=(n,)]
            At 16 kHz, n at least 1. Quiet ends are cut off, and the level does not count.

        Returns
        -------
        embedding [shape=(2 * width,)]
            float32; width is 384 in the tiny model.
        """
        mel = log_mel(_trimmed(samples))
        states = np.array(self._model.encode(self._view(mel[np.newaxis])))[0].astype(np.float32)
        return np.concatenate([states.mean(axis=0), states.std(axis=0)])


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Whisper's input.

    Returns
    -------
    mel [shape=(80, frames)]
        float32, log10 of the power, limited to 8 below the largest, plus 4, divided by 4.
    """
    samples = samples.astype(np.float32)
    samples = np.pad(samples, (0, max(_MELS.n_fft - len(samples), 0)))
    padded = np.pad(samples, _MELS.n_fft // 2, mode="reflect")
    framed = audio.frames(padded, frame_length=_MELS.n_fft, hop_length=_MELS.hop_length)[:-1]
    spectrum = np.fft.rfft(framed * audio.hann(_MELS.n_fft, "<f4"))
    power = spectrum.real**2 + spectrum.imag**2
    mel = np.log10(np.maximum(_mel_matrix() @ power.T.astype(np.float32), 1e-10))
    mel = np.maximum(mel, mel.max() - 8)
    return np.ascontiguousarray((mel + 4) / 4, dtype=np.float32)


@lru_cache(maxsize=1)
def _mel_matrix() -> np.ndarray:
    return mel_filterbank(_MELS).astype(np.float32)


def _trimmed(samples: np.ndarray) -> np.ndarray:
    """Without quiet ends, at a peak of a half, and no longer than the encoder takes."""
    padded = np.pad(samples, (0, _TRIM_FRAME))
    framed = audio.frames(padded, frame_length=_TRIM_FRAME, hop_length=_TRIM_HOP)
    power = np.einsum("fn,fn->f", framed, framed, dtype=np.float64)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-_TRIM_DB / 10))
    kept = samples[loud[0] * _TRIM_HOP : loud[-1] * _TRIM_HOP + _TRIM_FRAME][:_LONGEST]
    return kept * (_PEAK / max(np.abs(kept).max(), 1e-9))


def first_layers(model: bytes, layers: int, *, name: str = MODEL) -> bytes:
    """A CTranslate2 file without the later layers of its encoder.

    The file is a list of named arrays; CTranslate2 counts the layers that are there.

    Parameters
    ----------
    model
        Contents of model.bin, version 6 of the format.
    layers
        How many to keep.
    name
        Of the file, for messages.

    Raises
    ------
    DataError
        If it is another kind of file, or has fewer layers.
    """
    reader = _Reader(model, name)
    version, spec = reader.number("I"), reader.text()
    if version != 6 or spec != "WhisperSpec":
        raise DataError(f"{name}: expected a WhisperSpec, version 6, found {spec!r}, {version}")
    reader.number("I")  # revision of the specification
    head, count = model[: reader.at], reader.number("I")
    kept, found = [], 0
    for _ in range(count):
        start, variable = reader.at, reader.text()
        reader.skip(4 * reader.number("B"))  # dimensions
        reader.number("B")  # type
        reader.skip(reader.number("I"))
        layer = _layer(variable)
        found = max(found, layer + 1)
        if layer < layers:
            kept.append(model[start : reader.at])
    if found < layers:
        raise DataError(f"{name}: expected an encoder of {layers} layers or more, found {found}")
    return b"".join([head, struct.pack("<I", len(kept)), *kept, model[reader.at :]])


def _layer(variable: str) -> int:
    """Number of the encoder's layer that a variable belongs to; -1: none."""
    parts = variable.split("/")
    if parts[0] != "encoder" or not parts[1].startswith("layer_") or not parts[1][6:].isdigit():
        return -1
    return int(parts[1][6:])


class _Reader:
    """Reads the numbers and names of a CTranslate2 file, one after the other."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data, self._name, self.at = data, name, 0

    def number(self, kind: str) -> int:
        start = self.at
        self.skip(struct.calcsize(f"<{kind}"))
        return int(struct.unpack_from(f"<{kind}", self._data, start)[0])

    def text(self) -> str:
        length = self.number("H")
        self.skip(length)
        return self._data[self.at - length : self.at].rstrip(b"\0").decode("utf-8", "replace")

    def skip(self, length: int) -> None:
        self.at += length
        if self.at > len(self._data):
            raise DataError(
                f"{self._name}: expected {self.at} bytes or more, found {len(self._data)}"
            )
