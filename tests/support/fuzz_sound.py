"""Sound files with changed bytes, given to the reader and to the index: what comes of each?

Run as a program it is a worker, which may die: ``fuzz_sound.py FOLDER FIRST COUNT OUTPUT``. Each
input depends on its number alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from make_sound_files import CASES, base, encode

from ser_tinyml.data import decoding
from ser_tinyml.files import DataError
from ser_tinyml.sound import reading

RATE = 16_000
MOST_BYTES, MOST_S = 1_000_000_000, 10
_HEADER = 512  # bytes at the start, in which most changes are made
_ODD = (0, 1, 0x7F, 0x80, 0xFF)
_WRITTEN = (  # name, format, subtype
    *(("a.wav", "WAV", "PCM_16"), ("b.wav", "WAV", "FLOAT"), ("c.wav", "WAV", "IMA_ADPCM")),
    *(("d.wav", "WAVEX", "PCM_24"), ("e.wav", "WAV", "ULAW"), ("f.rf64", "RF64", "PCM_16")),
    *(("g.w64", "W64", "PCM_16"), ("h.flac", "FLAC", "PCM_16"), ("i.ogg", "OGG", "VORBIS")),
    *(("j.opus", "OGG", "OPUS"), ("k.mp3", "MP3", "MPEG_LAYER_III"), ("l.aiff", "AIFF", "PCM_16")),
    *(("m.au", "AU", "PCM_16"), ("n.caf", "CAF", "PCM_16"), ("o.caf", "CAF", "ALAC_16")),
    *(("p.voc", "VOC", "PCM_16"), ("q.sph", "NIST", "PCM_16")),
)
_ENCODED = (  # name, codec, container
    *(("r.m4a", "alac", None), ("s.aac", "aac", "adts"), ("t.webm", "libopus", None)),
    *(("u.mka", "flac", None), ("v.wma", "wmav2", None), ("w.mp4", "aac", None)),
    *(("x.avi", "mp3", None), ("y.flv", "aac", None), ("z.ogg", "flac", "ogg")),
)


def most_memory() -> int:
    """The most memory that this program has had, in bytes.

    What `resource.getrusage` says counts the program that started it, which may be a large one.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def make(folder: Path) -> list[Path]:
    """Write short files of every kind, whole, for the changes."""
    folder.mkdir(parents=True, exist_ok=True)
    voice = base()[8000:14_000]
    stereo = np.stack([voice, -voice / 2], axis=1)
    for place, (name, kind, subtype) in enumerate(_WRITTEN):
        samples = stereo if place % 2 else voice
        soundfile.write(folder / name, samples, RATE, format=kind, subtype=subtype)
    for name, codec, container in _ENCODED:
        rate = 44_100 if codec in ("aac", "mp3", "wmav2") else 48_000
        encode(folder / name, voice, rate=rate, codec=codec, container=container)
    for name in ("gsm.wav", "g721.wav", "half_cbr_info.mp3", "voice.m4a", "MediaRecorder.webm"):
        (folder / name).write_bytes((CASES / name).read_bytes())
    return sorted(path for path in folder.iterdir() if path.is_file())


def changed(files: list[Path], number: int) -> tuple[str, bytes]:
    """Name and bytes of one input: a file with a few bytes changed, taken out or put in."""
    rng = np.random.default_rng(number)
    chosen = files[number % len(files)]
    data = bytearray(chosen.read_bytes())
    for _ in range(rng.integers(1, 6)):
        end = len(data) if rng.random() < 0.2 else min(_HEADER, len(data))
        at = int(rng.integers(0, max(1, end)))
        size = int(rng.choice([1, 2, 4, 8]))
        match rng.integers(0, 6):
            case 0 | 1:
                data[at : at + size] = rng.integers(0, 256, size, np.uint8).tobytes()
            case 2 | 3:
                data[at : at + size] = bytes([int(rng.choice(_ODD))]) * size
            case 4:
                del data[at : at + size * int(rng.integers(1, 20))]
            case 5:
                data[at:at] = rng.integers(0, 256, size, np.uint8).tobytes()
    if rng.random() < 0.1:
        del data[int(rng.integers(0, len(data) + 1)) :]
    return chosen.name, bytes(data)


@contextlib.contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Raise where native code gives Python a moment; where it does not, kill."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def answers(path: Path) -> str:
    """What reader and index make of a file, in a word that depends on every sample."""
    try:
        sound = reading.read(path, sample_rate=RATE)
        read = hashlib.sha256(sound.samples.tobytes()).hexdigest() + sound.missing
    except DataError as error:
        read = f"error: {error}"
    return f"{read} | {decoding.listen(path)}"


def work(folder: Path, first: int, count: int, output: Path) -> None:
    """Try some inputs; a line each, written before and after, so that a death has a name."""
    files = make(folder / "whole")
    earlier: tuple[bytes, str, str] | None = None
    with open(output, "w") as out:
        for number in range(first, first + count):
            name, data = changed(files, number)
            path = folder / name
            path.write_bytes(data)
            print(json.dumps({"input": number, "name": name}), file=out, flush=True)
            began, fault, said = time.monotonic(), "", ""
            try:
                with alarm(MOST_S):
                    said = answers(path)
                if earlier:  # the file before it, with another one heard in between
                    (folder / earlier[1]).write_bytes(earlier[0])
                    if answers(folder / earlier[1]) != earlier[2]:
                        fault = f"{earlier[1]}: another answer the second time"
            except Exception as error:
                fault = f"{type(error).__name__}: {error}"
            earlier = (data, name, said) if said else None
            peak = most_memory()
            if peak > MOST_BYTES:
                fault = f"{peak / 1e6:.0f} MB"
            line = {"done": number, "s": round(time.monotonic() - began, 2), "fault": fault}
            line["read"] = not said.startswith("error")
            print(json.dumps(line), file=out, flush=True)
            if peak > MOST_BYTES:
                return


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
