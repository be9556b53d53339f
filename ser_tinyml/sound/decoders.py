"""From a file to blocks of samples: libsndfile, and PyAV (FFmpeg) for what that cannot read.

Both read to the end and hand on what came. What a header promises is believed by neither.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ser_tinyml.sound import containers

Block = tuple[int, np.ndarray]  # rate in Hz, float32 [shape=(n, channels)], full scale 1

_BLOCK = 1 << 20  # values that are decoded at once, so that an hour fits into memory
_MP3_FRAMES = 2 * 1152  # samples by which decoders differ at the ends of an MP3
_MOST_BAD_PACKETS = 1000
_LOST_AT_ENDS = 2  # packets of a bare stream that was cut out of another: it may begin in mid-frame
_DIRECT = (containers.AAC, containers.MP4, containers.MATROSKA, containers.ASF)
# What has a beginning of its own. Not those of playlists and pictures, which would open others.
_DEMUXERS = (
    "mov,matroska,webm,asf,ogg,flac,wav,w64,aiff,au,caf,avi,flv,mpeg,mpegts,amr,ape,wv,tta,voc,"
    "nistsphere"
)
_BARE = ",aac,mp3,ac3,eac3"  # frames alone: they are guessed in anything, so only where one is sure


@dataclass
class Source:
    """A file to decode, and what came of it.

    Attributes
    ----------
    path
        Of a regular file.
    kind
        From `containers.kind`.
    patch
        From `containers.promise`.
    missing
        What does not come: filled in by the decoder where it ends before the sound does.
    failure
        Why nothing could be decoded.
    has_no_sound
        Whether it is a video without any.
    """

    path: Path
    size: int
    start: bytes
    patch: tuple[int, bytes] | None = None
    kind: str = field(init=False)
    missing: str = ""
    failure: str = ""
    has_no_sound: bool = False

    def __post_init__(self) -> None:
        self.kind = containers.kind(self.start)


class Part(io.RawIOBase):
    """A part of a file as if it were one; it has no name, which a decoder might trust.

    Parameters
    ----------
    patch
        Place in the part, and bytes that stand there in place of those of the file.
    """

    def __init__(
        self, path: Path, start: int, stop: int, *, patch: tuple[int, bytes] | None = None
    ) -> None:
        self._stream = open(path, "rb")
        self._patch_at, self._patch = patch or (0, b"")
        self._start, self._size, self._at = start, stop - start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._stream.seek(self._start + self._at)
        data = self._stream.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        for place, byte in enumerate(self._patch, self._patch_at - self._at):
            if 0 <= place < len(data):
                buffer[place : place + 1] = bytes([byte])
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Straight(soundfile.SoundFile):
    """Reads on without seeking between two blocks.

    Some codecs cannot seek (https://github.com/libsndfile/libsndfile/issues/753), and an MP3 that
    is sought in decodes to other samples (https://github.com/bastibe/python-soundfile/issues/402).
    """

    def seekable(self) -> bool:
        return False


def decode(source: Source) -> Iterator[Block]:
    """Decode a file block by block.

    Yields
    ------
    rate, block
        Nothing where it cannot be decoded; `source.failure` says why.
    """
    came = False
    if source.kind not in _DIRECT and _is_for_libsndfile(source):
        for block in _by_libsndfile(source):
            came = True
            yield block
    if not came and not containers.is_text(source.start[:512]):
        yield from _by_pyav(source)


def _is_for_libsndfile(source: Source) -> bool:
    if source.kind != containers.MPEG:
        return True
    with open(source.path, "rb") as stream:
        return containers.mp3_is_told(stream, source.size)


def _by_libsndfile(source: Source) -> Iterator[Block]:
    links = [0]
    if source.kind == containers.OGG:
        with open(source.path, "rb") as stream:
            links = containers.ogg_links(stream, source.size)
    if len(links) == 1 and source.patch:
        with Part(source.path, 0, source.size, patch=source.patch) as part:
            yield from _one_by_libsndfile(source, part)
        return
    if len(links) == 1:
        yield from _one_by_libsndfile(source, None)
        return
    for number, (start, stop) in enumerate(zip(links, [*links[1:], source.size], strict=True)):
        with Part(source.path, start, stop) as part:
            came = False
            for block in _one_by_libsndfile(source, part):
                came = True
                yield block
        if not came and number == 0:  # no sound that it knows
            return
        if not came:
            source.missing = f"part {number + 1} of {len(links)} cannot be decoded"


def _one_by_libsndfile(source: Source, part: Part | None) -> Iterator[Block]:
    try:
        # the name may be no UTF-8
        with _Straight(part or bytes(source.path)) as stream:
            count, rate = 0, stream.samplerate
            out = np.empty((max(1, _BLOCK // stream.channels), stream.channels), np.float32)
            while len(block := stream.read(out=out)):
                count += len(block)
                yield rate, block
            if part is None:
                _hold_against(source, promised=stream.frames, count=count)
    except (soundfile.SoundFileError, OSError) as error:
        source.failure = str(getattr(error, "error_string", error))
        source.missing = f"what comes cannot be decoded: {source.failure}"


def _hold_against(source: Source, *, promised: int, count: int) -> None:
    """What libsndfile counts is the header's number of samples, but for those that have none."""
    tolerance = _MP3_FRAMES if source.kind == containers.MPEG else 0
    told = source.kind in (containers.FLAC, containers.MPEG, containers.OGG)
    if told and count and count + tolerance < promised < 1 << 62:
        source.missing = f"{promised} samples promised, {count} there"


def _by_pyav(source: Source) -> Iterator[Block]:
    import av  # here: an answer to a .wav does not wait for it

    av.logging.set_level(None)
    source.missing = ""
    sure = source.kind in (containers.AAC, containers.MPEG, containers.AC3)
    options = {"format_whitelist": _DEMUXERS + (_BARE if sure else ""), "protocol_whitelist": ""}
    try:
        with (
            Part(source.path, 0, source.size) as part,
            av.open(part, options=options, metadata_errors="replace") as container,
        ):
            if not container.streams.audio:
                source.has_no_sound = True
                return
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                source.failure = "an unknown codec"
                return
            yield from _gathered(_frames(source, container, stream))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        source.failure = getattr(error, "strerror", None) or str(error)
        source.missing = f"what comes cannot be decoded: {source.failure}"


def _frames(source: Source, container: Any, stream: Any) -> Iterator[Block]:
    """What PyAV decodes, a few ms at a time; packets that it cannot decode are counted."""
    import av

    stream.codec_context.thread_count = 1  # the same file gives the same samples
    seconds, bad = 0.0, 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            bad += 1
            source.failure = error.strerror
            if bad > _MOST_BAD_PACKETS:
                break
            continue
        for frame in itertools.chain.from_iterable(map(_with_safe_planes, frames)):
            seconds += frame.samples / max(1, frame.sample_rate)
            yield frame.sample_rate, _floats(frame)
    promised = _seconds(container, stream)
    if bad > (_LOST_AT_ENDS if source.kind in (containers.MPEG, containers.AAC) else 0):
        source.missing = f"{bad} packets cannot be decoded"
    elif seconds and seconds < 0.98 * promised - 0.25:
        source.missing = f"{promised:.2f} s promised, {seconds:.2f} s there"


def _with_safe_planes(frame: Any) -> list[Any]:
    """PyAV 18.1 counts the planes of a frame up to a null that comes too late from eight on."""
    import av

    if not frame.format.is_planar or frame.layout.nb_channels < 8:
        return [frame]
    return av.AudioResampler(format=frame.format.packed).resample(frame)


def _gathered(frames: Iterator[Block]) -> Iterator[Block]:
    """Put frames of one rate and number of channels together."""
    waiting: list[np.ndarray] = []
    rate = held = 0
    for its_rate, frame in frames:
        unlike = waiting and (rate, waiting[0].shape[1]) != (its_rate, frame.shape[1])
        if unlike or held >= _BLOCK:
            yield rate, np.concatenate(waiting)
            waiting, held = [], 0
        rate = its_rate
        waiting.append(frame)
        held += frame.size
    if waiting:
        yield rate, np.concatenate(waiting)


def _seconds(container: Any, stream: Any) -> float:
    """How long the sound is said to be, where that is no guess."""
    if container.format.name.startswith("mov") and stream.duration:
        return float(stream.duration * stream.time_base)
    told = container.format.name.startswith(("matroska", "asf"))
    if told and container.duration and not container.streams.video:
        return container.duration / 1e6
    return 0.0


def _floats(frame: Any) -> np.ndarray:
    """A frame as float32 [shape=(n, channels)]."""
    values = frame.to_ndarray()
    channels = frame.layout.nb_channels
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128) / 128
    if values.dtype.kind == "i":
        return (values / 2.0 ** (8 * values.dtype.itemsize - 1)).astype(np.float32)
    return values.astype(np.float32)
