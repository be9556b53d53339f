"""Decode a recording whole and measure it, or say why it cannot be used."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from ser_tinyml.data.corpora import Refusal
from ser_tinyml.sound import containers
from ser_tinyml.sound.reading import UNREADABLE, Fault, Recording, channel_note

SILENT_PEAK = 1e-3  # of full scale, -60 dB; the quietest clip of RAVDESS peaks at 4.5e-3
FULL_SCALE = 32767 / 32768
LONGEST = 600.0  # s; no clip is longer than 10 s, a header that claims this is broken

POINTER = "Git LFS pointer"
TRUNCATED = "truncated"
SILENT = "silent"

_POINTER_START = b"version https://git-lfs"


def listen(path: Path) -> dict[str, Any] | Refusal:
    """Decode a file whole and measure what the later stages hear of it, one channel.

    The fingerprint is the SHA-256 of that channel, rounded to 16-bit little-endian integers. A
    copy as .wav and one as .flac, in mono and in twice the same channel, share it.
    """
    try:
        if pointer := _pointer(path):
            return Refusal(reason=POINTER, detail=pointer)
        with Recording(path, pipes=False, longest_s=LONGEST) as recording:
            return _measure(recording)
    except Fault as fault:
        return Refusal(reason=fault.reason, detail=fault.detail)
    except OSError as error:
        return Refusal(reason=UNREADABLE, detail=str(error.strerror or error))


def _pointer(path: Path) -> str:
    if not path.is_file():
        return ""
    with open(path, "rb") as stream:
        if stream.read(len(_POINTER_START)) != _POINTER_START:
            return ""
    return f"{path.stat().st_size} bytes of text: run git lfs pull"


def _measure(recording: Recording) -> dict[str, Any] | Refusal:
    """Level, length and fingerprint."""
    count, peak, squares, fingerprint = 0, 0.0, 0.0, hashlib.sha256()
    for samples in recording.blocks():
        count += len(samples)
        peak = max(peak, float(np.abs(samples).max(initial=0)))
        squares += float(np.square(samples, dtype=np.float64).sum())
        integers = np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2")
        fingerprint.update(integers.tobytes())
    if recording.missing:
        return Refusal(reason=TRUNCATED, detail=recording.missing)
    if peak < SILENT_PEAK:
        return Refusal(reason=SILENT, detail=f"peak {peak:.2g}, expected at least {SILENT_PEAK}")
    remarks = []
    if recording.channels > 1:
        remarks.append(channel_note(recording.chosen, recording.channels) or "channels identical")
    if peak >= FULL_SCALE:
        remarks.append("reaches full scale")
    return {
        "sample_rate": recording.sample_rate,
        "channels": recording.channels,
        "duration_s": round(count / recording.sample_rate, 6),
        "rms": float(f"{np.sqrt(squares / count):.6g}"),
        "peak": float(f"{peak:.6g}"),
        "sha256": fingerprint.hexdigest(),
        "note": "; ".join(remarks),
        "lossless": recording.kind in containers.LOSSLESS,
    }
