"""What goes over the line between board and host: ``firmware/arduino_nano33/README.md`` has it all.

Lines of JSON and binary frames, told apart by their first byte.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from ser_tinyml.files import DataError

VERSION = 1
MAGIC = b"\xa5\x5a"
HEADER = struct.Struct("<BHH")  # type, sequence number, length of the payload; after the magic
CRC = struct.Struct("<I")
MOST_PAYLOAD = 8 + 2 * 512
CHUNK = 512  # samples in a frame of the test mode


class BoardError(DataError):
    """The board does not answer, or not as expected."""


class LineError(BoardError):
    """Something was lost on the line: it may be asked for again."""


class FrameType(IntEnum):
    """First byte of a binary frame."""

    TEST_BEGIN = 0x01
    TEST_AUDIO = 0x02
    TEST_END = 0x03
    AUDIO = 0x81
    LEVEL = 0x82
    STEP = 0x83
    TEST_DONE = 0x84


@dataclass(frozen=True)
class Frame:
    """A binary frame whose CRC is right."""

    type: int
    sequence: int
    payload: bytes


@dataclass(frozen=True)
class Audio:
    """Sound from the microphone: int16 samples, the number of the first, how many were lost."""

    first: int
    lost: int
    samples: np.ndarray


@dataclass(frozen=True)
class Level:
    """A frame's power and the floor under it in dB, and what the gate says of it."""

    frame: int
    level_db: float
    floor_db: float
    gate: int


@dataclass(frozen=True)
class Step:
    """One step of the model.

    Attributes
    ----------
    frame
        The last that went into it.
    features_us, engine_us
        How long the board took, in microseconds.
    step
        Of its window, from 0.
    features, inputs, outputs [shape=(n_inputs,), (n_inputs,), (n_classes,)]
        float32, int8, int8.
    """

    frame: int
    features_us: int
    engine_us: int
    step: int
    features: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray


@dataclass(frozen=True)
class TestDone:
    """The end of a clip in test mode; onset is the frame at which its features begin."""

    __test__ = False  # no test, although pytest collects such names

    samples: int
    frames: int
    steps: int
    onset: int
    status: int


Message = dict[str, Any] | Audio | Level | Step | TestDone


def encode(frame_type: int, sequence: int, payload: bytes = b"") -> bytes:
    """A binary frame.

    Examples
    --------
    >>> frame = encode(FrameType.TEST_BEGIN, 0, bytes([0]))
    >>> frame.hex(" ")
    'a5 5a 01 00 00 01 00 00 31 18 5c 7b'
    """
    if len(payload) > MOST_PAYLOAD:
        raise DataError(f"frame: expected at most {MOST_PAYLOAD} bytes, found {len(payload)}")
    body = HEADER.pack(frame_type, sequence & 0xFFFF, len(payload)) + payload
    return MAGIC + body + CRC.pack(zlib.crc32(body))


def message(frame: Frame) -> Message:
    """What a frame of the board says.

    Raises
    ------
    BoardError
        If its type or size is not one of the protocol.

    Examples
    --------
    >>> payload = struct.pack("<IffB", 7, -30.0, -55.5, 2)
    >>> message(Frame(FrameType.LEVEL, 0, payload))
    Level(frame=7, level_db=-30.0, floor_db=-55.5, gate=2)
    """
    data = frame.payload
    try:
        if frame.type == FrameType.AUDIO:
            first, lost = struct.unpack_from("<II", data)
            return Audio(first, lost, np.frombuffer(data, "<i2", offset=8))
        if frame.type == FrameType.LEVEL:
            return Level(*struct.unpack("<IffB", data))
        if frame.type == FrameType.STEP:
            numbers = struct.unpack_from("<IIIHBB", data)
            n_inputs, n_classes = numbers[4:]
            if len(data) != 16 + 5 * n_inputs + n_classes:
                raise ValueError("length")
            return Step(
                *numbers[:4],
                np.frombuffer(data, "<f4", n_inputs, 16),
                np.frombuffer(data, "i1", n_inputs, 16 + 4 * n_inputs),
                np.frombuffer(data, "i1", n_classes, 16 + 5 * n_inputs),
            )
        if frame.type == FrameType.TEST_DONE:
            return TestDone(*struct.unpack("<IIIiB", data))
    except (struct.error, ValueError):
        pass
    raise BoardError(
        f"board: expected a frame of the protocol, found type {frame.type:#x} "
        f"with {len(data)} bytes"
    )


class Decoder:
    """Bytes of the board to lines and frames. What is neither is counted and passed over.

    Attributes
    ----------
    garbage
        Bytes that belonged to nothing.
    lost
        Frames that, by their numbers, did not come.

    Examples
    --------
    >>> decoder = Decoder()
    >>> decoder.push(b'{"event":"ok"}\\n' + encode(FrameType.TEST_END, 3)[:4])
    [{'event': 'ok'}]
    >>> decoder.push(encode(FrameType.TEST_END, 3)[4:])
    [Frame(type=3, sequence=3, payload=b'')]
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._next: int | None = None
        self.garbage = 0
        self.lost = 0

    def push(self, data: bytes) -> list[Frame | dict[str, Any]]:
        """Frames and JSON lines that are complete with these bytes."""
        self._bytes += data
        found: list[Frame | dict[str, Any]] = []
        while self._bytes:
            if self._bytes[0] == MAGIC[0]:
                done = self._frame(found)
            else:
                done = self._line(found)
            if not done:
                break
        return found

    def _frame(self, found: list[Frame | dict[str, Any]]) -> bool:
        start = len(MAGIC) + HEADER.size
        if len(self._bytes) < start:
            return not MAGIC.startswith(self._bytes[:2]) and self._drop(1)
        kind, sequence, length = HEADER.unpack_from(self._bytes, len(MAGIC))
        if self._bytes[:2] != MAGIC or length > MOST_PAYLOAD:
            return self._drop(1)
        end = start + length
        if len(self._bytes) < end + CRC.size:
            return False
        if CRC.unpack_from(self._bytes, end)[0] != zlib.crc32(self._bytes[len(MAGIC) : end]):
            return self._drop(1)
        if self._next is not None:
            self.lost += (sequence - self._next) & 0xFFFF
        self._next = (sequence + 1) & 0xFFFF
        found.append(Frame(kind, sequence, bytes(self._bytes[start:end])))
        del self._bytes[: end + CRC.size]
        return True

    def _line(self, found: list[Frame | dict[str, Any]]) -> bool:
        magic, end = self._bytes.find(MAGIC[0]), self._bytes.find(b"\n")
        if magic >= 0 and (end < 0 or magic < end):
            return self._drop(magic)  # a line that a frame cut off
        if end < 0:
            return len(self._bytes) > 4 * MOST_PAYLOAD and self._drop(len(self._bytes))
        line = bytes(self._bytes[:end]).strip()
        del self._bytes[: end + 1]
        try:
            value = json.loads(line) if line else None
        except ValueError:
            value = None
        if isinstance(value, dict):
            found.append(value)
        else:
            self.garbage += len(line)
        return True

    def _drop(self, count: int) -> bool:
        self.garbage += count
        del self._bytes[:count]
        return True


def clip_frames(samples: np.ndarray) -> list[tuple[FrameType, bytes]]:
    """Type and payload of the frames that put a recording in place of the microphone.

    Parameters
    ----------
    samples [shape=(n,)]
        int16 at the board's rate.

    Examples
    --------
    >>> frames = clip_frames(np.zeros(1000, np.int16))
    >>> [(kind.name, len(payload)) for kind, payload in frames]
    [('TEST_BEGIN', 1), ('TEST_AUDIO', 1024), ('TEST_AUDIO', 976), ('TEST_END', 0)]
    """
    data = samples.astype("<i2").tobytes()
    chunks = [data[i : i + 2 * CHUNK] for i in range(0, len(data), 2 * CHUNK)]
    return [
        (FrameType.TEST_BEGIN, bytes([0])),
        *((FrameType.TEST_AUDIO, chunk) for chunk in chunks),
        (FrameType.TEST_END, b""),
    ]
