"""Decode a recording whole and measure it, or say why it cannot be used."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ser_tinyml import files
from ser_tinyml.data.corpora import Refusal

SUFFIXES = (".wav", ".flac", ".ogg")
SILENT_PEAK = 1e-3  # of full scale, -60 dB; the quietest clip of RAVDESS peaks at 4.5e-3
FULL_SCALE = 32767 / 32768
LONGEST = 600.0  # s; no clip is longer than 10 s, a header that claims this is broken

POINTER = "Git LFS pointer"
UNREADABLE = "unreadable"
TRUNCATED = "truncated"
EMPTY = "empty"
NOT_FINITE = "not finite"
SILENT = "silent"

_POINTER_START = b"version https://git-lfs"


def listen(path: Path) -> dict[str, Any] | Refusal:
    """Decode a file whole and measure it as the later stages hear it: its channels averaged."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            start = stream.read(len(_POINTER_START))
        if not size:
            return Refusal(reason=EMPTY, detail="0 bytes")
        if start == _POINTER_START:
            return Refusal(reason=POINTER, detail=f"{size} bytes of text: run git lfs pull")
        lost = _what_is_missing(path, size)
        if lost:
            return Refusal(reason=TRUNCATED, detail=lost)
        with soundfile.SoundFile(path) as file:
            rate, promised = file.samplerate, file.frames
            if promised > LONGEST * rate:
                return Refusal(reason=UNREADABLE, detail=f"claims to last {promised / rate:.0f} s")
            samples = file.read(dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        return Refusal(reason=UNREADABLE, detail=str(error).replace(str(path), path.name))
    if len(samples) < promised:
        detail = f"{promised} samples promised, {len(samples)} there"
        return Refusal(reason=TRUNCATED, detail=detail)
    if not len(samples):
        return Refusal(reason=EMPTY, detail="a header without samples")
    finite = np.isfinite(samples)
    if not finite.all():
        count = np.count_nonzero(~finite.all(axis=1))
        return Refusal(reason=NOT_FINITE, detail=f"{count} samples are NaN or infinite")
    return _measure(samples, rate)


def _measure(samples: np.ndarray, rate: int) -> dict[str, Any] | Refusal:
    """Level, length and fingerprint.

    The fingerprint is the SHA-256 of the averaged channels, rounded to 16-bit little-endian
    integers. A copy as .wav and one as .flac, in mono and in twice the same channel, share it.

    Parameters
    ----------
    samples [shape=(n, channels)]
    """
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    peak = float(np.abs(mono).max())
    if peak < SILENT_PEAK:
        return Refusal(reason=SILENT, detail=f"peak {peak:.2g}, expected at least {SILENT_PEAK}")
    integers = np.clip(np.rint(mono * 32768), -32768, 32767).astype("<i2")
    remarks = []
    if samples.shape[1] > 1:
        identical = (samples == samples[:, :1]).all()
        remarks.append("channels identical" if identical else "channels averaged")
    if np.abs(samples).max() >= FULL_SCALE:
        remarks.append("reaches full scale")
    return {
        "sample_rate": rate,
        "channels": samples.shape[1],
        "duration_s": round(len(samples) / rate, 6),
        "rms": float(f"{np.sqrt(np.mean(np.square(mono, dtype=np.float64))):.6g}"),
        "peak": float(f"{peak:.6g}"),
        "sha256": files.sha256_bytes(integers.tobytes()),
        "note": "; ".join(remarks),
    }


def _what_is_missing(path: Path, size: int) -> str:
    """Say what a cut-off .wav or .ogg lacks; libsndfile reads up to the cut and says nothing."""
    with open(path, "rb") as stream:
        start = stream.read(12)
        if start[:4] == b"RIFF" and start[8:] == b"WAVE":
            return _missing_from_wav(stream, size)
        if start[:4] == b"OggS":
            # a page is at most 65,307 bytes long, so the last one begins in here
            stream.seek(max(0, size - 65_307))
            return _missing_from_ogg(stream.read())
    return ""


def _missing_from_wav(stream: Any, size: int) -> str:
    block = 1
    while len(header := stream.read(8)) == 8:
        kind, length = struct.unpack("<4sI", header)
        here = stream.tell()
        if kind == b"fmt ":
            block = max(1, int.from_bytes(stream.read(14)[12:], "little"))
        if kind == b"data":
            # a program that writes into a pipe cannot know the length and leaves 0 or all ones
            unknown = length in (0, 0xFFFFFFFF)
            there, promised = (size - here) // block, length // block
            short = not unknown and there < promised
            return f"{promised} samples promised, {there} there" if short else ""
        stream.seek(here + length + length % 2)
    return ""


def _missing_from_ogg(tail: bytes) -> str:
    start = tail.rfind(b"OggS")
    if start < 0 or len(tail) < start + 27:
        return "no last page"
    flags, segments = tail[start + 5], tail[start + 26]
    lengths = tail[start + 27 : start + 27 + segments]
    end = start + 27 + segments + sum(lengths)
    if not flags & 4 or len(lengths) < segments or len(tail) < end:
        return "the last page does not end the stream"
    return ""
