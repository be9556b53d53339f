"""The serial protocol: parser and writer of the firmware under sanitizers, the host's decoder."""

from __future__ import annotations

import json
import time
import zlib

import numpy as np
import pytest
import small_firmware as small

from ser_tinyml.device import protocol
from ser_tinyml.device.protocol import Decoder, Frame, FrameType, encode
from ser_tinyml.files import DataError

FUZZ_BYTES = 10_000_000
AFTER = ["silence", "line ok"]  # that protocol_test says at the end of any input


def parse(data: bytes, *, chunk: int = 64) -> list[str]:
    out = small.run("protocol_test", "parse", str(chunk), stdin=data).decode().splitlines()
    assert out[-1] == AFTER[1] and AFTER[0] in out
    return [line for line in out[:-1] if line != AFTER[0]]


def shown(frame_type: int, sequence: int, payload: bytes) -> str:
    return f"frame {frame_type} {sequence} {payload.hex()}"


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_lines_and_frames_mixed(chunk):
    data = b"status\r\n" + encode(2, 7, b"\n\xa5\x5a\x00") + b"threshold 0.5\n\n" + encode(3, 65536)
    assert parse(data, chunk=chunk) == [
        "line status",
        shown(2, 7, b"\n\xa5\x5a\x00"),
        "line threshold 0.5",
        shown(3, 0, b""),
    ]


def test_longest_frame_and_one_too_long():
    longest = bytes(range(256)) * 4 + bytes(8)
    assert parse(encode(2, 1, longest)) == [shown(2, 1, longest)]
    with pytest.raises(DataError, match="at most 1032 bytes"):
        encode(2, 1, bytes(1033))
    body = protocol.HEADER.pack(2, 1, 1033)
    assert parse(protocol.MAGIC + body + b"\nstatus\n") == ["garbage", "line status"]


@pytest.mark.parametrize("at", range(2, 15))
def test_a_broken_frame_is_no_frame(at):
    frame = bytearray(encode(1, 9, b"abcd"))
    assert len(frame) == 15
    frame[at] ^= 0x10
    lines = parse(bytes(frame) + b"\n" * 1100 + b"help\n")
    assert not [line for line in lines if line.startswith("frame")]
    assert "garbage" in lines
    assert lines[-1] == "line help"


def test_half_a_frame_is_given_up_when_the_line_falls_silent():
    assert parse(encode(2, 1, bytes(100))[:50]) == ["garbage"]


def test_text_that_is_none():
    assert parse(b"a" * 64 + b"\n") == ["line " + "a" * 64]
    assert parse(b"a" * 65 + b"\nhelp\n") == ["garbage", "line help"]
    assert parse(b"a\x00b\nhelp\n") == ["garbage", "line help"]
    assert parse(b"sta" + encode(3, 0) + b"status\n") == [
        "garbage",
        shown(3, 0, b""),
        "line status",
    ]


def test_what_the_board_writes_is_read():
    decoder = Decoder()
    line, level, audio = decoder.push(small.run("protocol_test"))
    assert decoder.garbage == decoder.lost == 0
    assert line == {
        "text": "plain",
        "texts": ["a", "b c", 'say "no" \\', "müde 怒 😀"],
        "least": -(2**31),
        "most": 2**32 - 1,
        "flag": True,
        "number": 3.14,
        "numbers": [0, 1.0, -1.25, 99999, None, None, 0],
    }
    assert (level.sequence, audio.sequence) == (0xFFFE, 0xFFFF)
    assert protocol.message(level) == protocol.Level(7, -1.5, 2.5, 1)
    samples = np.arange(512) * 128 - 32768
    assert (protocol.message(audio).samples == samples).all()


def test_decoder_takes_bytes_as_they_come():
    data = b'{"a": 1}\r\n' + encode(0x82, 5, bytes(13)) + b"\n" + encode(0x82, 6) + b'{"b": 2}\n'
    whole = Decoder().push(data)
    decoder = Decoder()
    assert [item for byte in data for item in decoder.push(bytes([byte]))] == whole
    assert whole == [{"a": 1}, Frame(0x82, 5, bytes(13)), Frame(0x82, 6, b""), {"b": 2}]
    assert decoder.garbage == 0


def test_decoder_counts_what_is_lost_and_finds_its_way():
    frames = [encode(0x82, number, bytes(3)) for number in (65534, 65535, 3)]
    broken = bytearray(frames[1])
    broken[8] ^= 1
    decoder = Decoder()
    found = decoder.push(frames[0] + bytes(broken) + b"noise\xa5\x00" + frames[2] + b'{"x": 1}\n')
    assert [getattr(item, "sequence", item) for item in found] == [65534, 3, {"x": 1}]
    assert decoder.lost == 4
    assert decoder.garbage > 0


def test_decoder_outlives_noise():
    rng = np.random.default_rng(0)
    decoder = Decoder()
    for _ in range(50):
        decoder.push(rng.integers(0, 256, 2000, np.uint8).tobytes())
    decoder.push(bytes(3000))
    assert decoder.push(b'\n{"after": true}\n')[-1] == {"after": True}


@pytest.mark.parametrize(
    ("frame_type", "size"),
    [(FrameType.AUDIO, 7), (FrameType.AUDIO, 9), (FrameType.LEVEL, 12), (FrameType.STEP, 20)],
)
def test_a_frame_of_the_wrong_size_is_refused(frame_type, size):
    with pytest.raises(protocol.BoardError, match=f"with {size} bytes"):
        protocol.message(Frame(frame_type, 0, b"\x01" * size))
    with pytest.raises(protocol.BoardError, match="0x99"):
        protocol.message(Frame(0x99, 0, b""))


def test_crc_is_zlib_s():
    frame = encode(1, 2, b"abc")
    assert int.from_bytes(frame[-4:], "little") == zlib.crc32(frame[2:-4])


def test_ten_million_random_bytes():
    began = time.monotonic()
    out = small.run("fuzz_test", str(FUZZ_BYTES), "1").decode()
    assert time.monotonic() - began < 200
    counts, *lines = out.splitlines()
    sent, answered = (int(number) for number in counts.split())
    assert sent >= FUZZ_BYTES and answered > 10_000
    status = json.loads(lines[-1])
    assert status["event"] == "status"
    assert status["protocol"] == protocol.VERSION
    assert status["not_understood"] > 1000
    assert not status["streaming"]
    assert status["fault"] in ("ok", "microphone", "overrun")
