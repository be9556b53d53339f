"""What kind a file is by its first bytes, and what its header promises: nothing is decoded here."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

# Endings of all that the reader takes; it looks at the content, whatever the ending.
SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".webm", ".wma"),
    *(".mp4", ".mka", ".mkv", ".mov", ".3gp", ".m4b", ".weba", ".asf", ".avi", ".flv", ".ogv"),
    *(".wave", ".bwf", ".w64", ".rf64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"),
    *(".amr", ".ac3", ".mp2", ".mpg", ".mpeg", ".wv", ".ape", ".tta", ".sph", ".voc", ".spx"),
)
# Endings of sound that it does not take, so that such a file is named as left out.
OTHER_SUFFIXES = (".mid", ".midi", ".kar", ".ra", ".rm", ".dss", ".ds2", ".mod", ".xm", ".sid")

WAV, W64, AIFF, AU, CAF, FLAC, OGG = "WAV", "W64", "AIFF", "AU", "CAF", "FLAC", "Ogg"
MPEG, AAC, MP4, MATROSKA, ASF = "MPEG audio", "AAC", "MP4", "Matroska or WebM", "WMA or ASF"
MIDI, AC3, TEXT = "MIDI", "AC-3", "text"
UNKNOWN = "nothing that is known as sound"
LOSSLESS = (WAV, W64, AIFF, AU, CAF, FLAC)

_W64_START = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"
_STARTS = (  # where, bytes, kind
    *((8, b"WAVE", WAV), (8, b"AIFF", AIFF), (8, b"AIFC", AIFF), (8, b"AVI ", "AVI")),
    *((0, _W64_START, W64), (0, b".snd", AU), (0, b"caff", CAF), (0, b"fLaC", FLAC)),
    *((0, b"OggS", OGG), (4, b"ftyp", MP4), (4, b"moov", MP4), (4, b"mdat", MP4)),
    *((0, b"\x1a\x45\xdf\xa3", MATROSKA), (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ASF)),
    *((0, b"ID3", MPEG), (0, b"#!AMR", "AMR"), (0, b"FLV\x01", "FLV"), (0, b"wvpk", "WavPack")),
    *((0, b"MAC ", "Monkey's Audio"), (0, b"TTA1", "TTA"), (0, b"NIST_1A", "NIST SPHERE")),
    *((0, b"Creative Voice File", "VOC"), (0, b"\x00\x00\x01\xba", "an MPEG stream")),
    *(
        (0, b"\x0b\x77", AC3),
        (0, b"MThd", MIDI),
        (0, b".RMF", "RealMedia"),
        (0, b".ra\xfd", "RealAudio"),
    ),
)
_NO_SOUND = (
    *(
        (b"PK\x03\x04", "a zip archive"),
        (b"Rar!", "a RAR archive"),
        (b"7z\xbc\xaf", "a 7z archive"),
    ),
    *((b"\x1f\x8b", "a gzip archive"), (b"BZh", "a bzip2 archive"), (b"\xfd7zXZ", "an xz archive")),
    *((b"%PDF", "a PDF"), (b"\x89PNG", "a picture"), (b"\xff\xd8\xff", "a picture")),
    *((b"GIF8", "a picture"), (b"SQLite", "a database"), (b"\x7fELF", "a program")),
    *((b"\x93NUMPY", "a NumPy array"), (b"\x89HDF", "an HDF5 file")),
)
_LENGTHS_OF_PIPES = (0x100000000, 0xFFFFFFFF, 0xFFFFF000, 0x80000000, 0x7FFFFFFF, 0x7FFFF000)
_LENGTHS_OF_PIPES += (0x7FFF0000, 0x7F000000)
_LONGEST_HEADER = 4096  # which some programs take off the length that they cannot know
_MOST_CHUNKS = 1000
_PLAIN = (1, 3, 6, 7, 0xFFFE)  # WAV's format tags whose blocks are one sample of each channel


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What a header says of its sound.

    Attributes
    ----------
    missing
        What was promised and what is there, where the file is cut off; otherwise empty.
    empty
        Whether it says that there is no sound at all, and means it.
    patch
        Place, and bytes to read there: where a program left a length open that decoders believe.
    """

    missing: str = ""
    empty: bool = False
    patch: tuple[int, bytes] | None = None


def kind(start: bytes) -> str:
    """The kind of sound or video that a file's first bytes (16 or more) say it is, or ""."""
    for where, magic, name in _STARTS:
        if start[where : where + len(magic)] == magic:
            riff = where != 8 or start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM")
            return name if riff else ""
    return _kind_of_frame(start[:3].ljust(3, b"\0"))


def _kind_of_frame(head: bytes) -> str:
    """MPEG audio and AAC may begin with a frame: eleven bits that are set, then fields."""
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return ""
    layer, version = head[1] >> 1 & 3, head[1] >> 3 & 3
    if layer == 0:
        return AAC if head[1] & 0xF0 == 0xF0 and head[2] >> 2 & 15 < 13 else ""
    told = head[2] >> 2 & 3 != 3 and head[2] >> 4 not in (0, 15) and version != 1
    return MPEG if told else ""


def is_known(start: bytes) -> bool:
    """Whether the first bytes are those of sound or video, beyond a doubt."""
    return start[:1] not in (b"\xff", b"\x0b") and bool(kind(start))


def described(start: bytes) -> str:
    """What a file is that cannot be read as sound, in a few words."""
    if found := kind(start):
        return "MIDI: notes to be played, not sound" if found == MIDI else found
    for magic, name in _NO_SOUND:
        if start.startswith(magic):
            return name
    if is_text(start):
        return TEXT
    return UNKNOWN


def is_text(start: bytes) -> bool:
    """Whether bytes can be nothing but text."""
    try:
        text = start[: max(len(start) - 3, 1)].decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 8:
            return False
        text = start[: error.start].decode("utf-8")
    return bool(text) and all(
        character.isprintable() or character in "\t\r\n" for character in text
    )


def promise(stream: BinaryIO, size: int) -> Promise:
    """Hold what the header of a file promises against what is there.

    Parameters
    ----------
    stream
        Of the file, open for reading.
    size
        Of the file, in bytes.
    """
    stream.seek(0)
    start = stream.read(16)
    match kind(start):
        case name if name == WAV:
            return _wav(stream, size, order=">" if start[:4] == b"RIFX" else "<")
        case name if name == AIFF:
            return _first(_chunks(stream, size, at=12, layout=">4sI"), b"SSND", size)
        case name if name == W64:
            chunks = _chunks(stream, size, at=40, layout="<16sQ", includes_itself=True)
            return _first(((k[:4], n, here) for k, n, here in chunks), b"data", size)
        case name if name == CAF:
            return _first(_chunks(stream, size, at=8, layout=">4sQ", even=False), b"data", size)
        case name if name == AU:
            offset, length = struct.unpack(">2I", start[4:12].ljust(8, b"\0"))
            if not length:
                return Promise(patch=(8, b"\xff" * 4))
            return _held(length, size - offset, unit="bytes")
        case name if name == MP4:
            return _mp4(stream, size)
        case name if name == OGG:
            stream.seek(max(0, size - 65_307))  # a page is at most that long: the last one is here
            return Promise(missing=_missing_from_ogg(stream.read()))
    return Promise()


def _held(promised: int, there: int, *, unit: str, block: int = 1) -> Promise:
    if promised <= there or _of_a_pipe(promised):
        return Promise()
    return Promise(missing=f"{promised // block} {unit} promised, {max(there, 0) // block} there")


def _of_a_pipe(length: int) -> bool:
    """Whether a program wrote a length that it could not know; it may have taken a header off."""
    if length >= 1 << 62:  # of 64 bits, -1
        return True
    return any(0 <= base - length <= _LONGEST_HEADER for base in _LENGTHS_OF_PIPES)


def _chunks(
    stream: BinaryIO,
    size: int,
    *,
    at: int,
    layout: str,
    includes_itself: bool = False,
    even: bool = True,
) -> Iterator[tuple[bytes, int, int]]:
    """Name, length and place of the content of the chunks that a file is made of."""
    head = struct.calcsize(layout)
    unit = 8 if includes_itself else 2 if even else 1
    for _ in range(_MOST_CHUNKS):
        stream.seek(at)
        header = stream.read(head)
        if len(header) < head:
            return
        name, length = struct.unpack(layout, header)
        length = max(length - head, 0) if includes_itself else length
        yield name, length, at + head
        at += head + length + -length % unit
        if at >= size:
            return


def _first(chunks: Iterator[tuple[bytes, int, int]], name: bytes, size: int) -> Promise:
    for found, length, here in chunks:
        if found == name:
            return _held(length, size - here, unit="bytes")
    return Promise()


def _mp4(stream: BinaryIO, size: int) -> Promise:
    """The last box says where it ends; the list of all frames is mostly the last, and lost."""
    at = 0
    for _ in range(_MOST_CHUNKS):
        stream.seek(at)
        head = stream.read(16).ljust(16, b"\0")
        length = int.from_bytes(head[:4], "big")
        length = int.from_bytes(head[8:], "big") if length == 1 else length
        if length < 8 or at + length > size:  # 0: it lasts to the end
            return _held(at + length, size, unit="bytes") if length >= 8 else Promise()
        at += length
        if at == size:
            break
    return Promise()


def _wav(stream: BinaryIO, size: int, *, order: str) -> Promise:
    block, unit, long = 1, "bytes", None
    for name, length, here in _chunks(stream, size, at=12, layout=f"{order}4sI"):
        stream.seek(here)
        if name == b"ds64":  # of an RF64: lengths of 64 bits
            _, long = struct.unpack("<2Q", stream.read(16).ljust(16, b"\0"))
        elif name == b"fmt ":
            tag, *_, block = struct.unpack(f"{order}HHIIH", stream.read(14).ljust(14, b"\0"))
            block, unit = (max(1, block), "samples") if tag in _PLAIN else (1, "bytes")
        elif name == b"data":
            if long is not None and (not long or _of_a_pipe(long)):
                return Promise(patch=(0, b"RIFF"))
            if long is not None and length == 0xFFFFFFFF:
                length = long
            if length == 0:
                return Promise(empty=_only_chunks(stream, size, here, order=order))
            return _held(length, size - here, unit=unit, block=block)
    return Promise()


def _only_chunks(stream: BinaryIO, size: int, here: int, *, order: str) -> bool:
    """Whether nothing but further chunks stands behind a data chunk of length 0."""
    end = here
    for name, length, place in _chunks(stream, size, at=here, layout=f"{order}4sI"):
        if not name.isalnum():
            return False
        end = place + length + length % 2
    return end in (size, size + 1)


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


def ogg_links(stream: BinaryIO, size: int) -> list[int]:
    """Where the streams begin that stand one after the other in an Ogg file: mostly at 0 alone."""
    links, at, beginning = [], 0, False
    while at < size:
        stream.seek(at)
        head = stream.read(27)
        if len(head) < 27 or head[:4] != b"OggS":
            break
        lengths = stream.read(head[26])
        if head[5] & 2 and not beginning:  # pages that begin a stream stand together
            links.append(at)
        beginning = bool(head[5] & 2)
        at += 27 + len(lengths) + sum(lengths)
    return links or [0]


def mp3_is_told(stream: BinaryIO, size: int) -> bool:
    """Whether an MP3 says how many samples it has, and means all that is in the file.

    Without a Xing, Info or VBRI tag libsndfile estimates the number, and stops there
    (https://github.com/libsndfile/libsndfile/issues/1001). With one of the first of several files
    that were put one behind the other, it stops at that one's end.
    """
    at = 0
    stream.seek(0)
    while (head := stream.read(10))[:3] == b"ID3" and len(head) == 10:
        at += 10 + sum((byte & 127) << 7 * (3 - place) for place, byte in enumerate(head[6:10]))
        stream.seek(at)
    stream.seek(at)
    frame = stream.read(256)
    for tag, flags_at, bytes_at in ((b"Xing", 4, 12), (b"Info", 4, 12), (b"VBRI", None, 10)):
        place = frame.find(tag)
        field = frame[place + bytes_at : place + bytes_at + 4]
        if place < 0 or len(field) < 4:
            continue
        if flags_at and frame[place + 7] & 3 != 3:  # no number of frames, or none of bytes
            return False
        return int.from_bytes(field, "big") > 0.9 * (size - at) - _LONGEST_HEADER
    return False
