"""Sound in containers of every kind, written by soundfile and PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

CASES = Path(__file__).with_name("cases")


def base() -> np.ndarray:
    """Synthetic speech at 16 kHz, float32 [shape=(n,)]."""
    return soundfile.read(CASES / "base.wav", dtype="float32")[0]


def encode(
    path: Path, samples: np.ndarray, *, rate: int, codec: str, container: str | None = None
) -> Path:
    """Write a waveform [shape=(n,)] or [shape=(n, channels)] with FFmpeg's encoder."""
    samples = samples[:, np.newaxis] if samples.ndim == 1 else samples
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[samples.shape[1]]
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 128_000 * samples.shape[1]
        resampler = av.AudioResampler(
            format=stream.codec_context.format.name,
            layout=layout,
            rate=rate,
            frame_size=stream.codec_context.frame_size or 1024,
        )
        frame = av.AudioFrame.from_ndarray(
            samples.astype(np.float32).reshape(1, -1), format="flt", layout=layout
        )
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return path


def with_length(path: Path, length: int, *, source: Path = CASES / "base.wav") -> Path:
    """A .wav that says another length of its samples."""
    data = bytearray(source.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = length.to_bytes(4, "little")
    path.write_bytes(data)
    return path


def likeness(samples: np.ndarray, others: np.ndarray) -> float:
    """How alike two waveforms are, whatever the delay between them: 1 is the same."""
    size = 2 * max(len(samples), len(others))
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(others, size).conj()
    scale = np.linalg.norm(samples) * np.linalg.norm(others)
    return float(np.fft.irfft(spectrum).max() / scale)
