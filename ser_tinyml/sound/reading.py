"""Recordings of any kind, read to their end: one reader for the index and for `predict`."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from ser_tinyml.files import DataError
from ser_tinyml.sound import containers, decoders
from ser_tinyml.sound.audio import fix_length
from ser_tinyml.sound.channels import Chooser
from ser_tinyml.sound.decoders import Block, Source

UNREADABLE, EMPTY, NOT_FINITE = "unreadable", "empty", "not finite"
RATES = (1_000, 768_000)  # Hz; a header that claims another is broken
MOST_HELD = 3 * 3600 * 16_000  # samples: three hours at the rate of the features, 690 MB
_MOST_PIPED = 4 << 30  # bytes
_START = 4096  # bytes that say what a file is


class Fault(DataError):
    """A recording that cannot be used.

    Attributes
    ----------
    reason
        `UNREADABLE`, `EMPTY` or `NOT_FINITE`.
    detail
        What was found.
    """

    def __init__(self, message: str, *, reason: str = UNREADABLE, detail: str = "") -> None:
        super().__init__(message)  # alone, so that another process can send it
        self.reason, self.detail = reason, detail


def _fault(path: str | Path, detail: str, reason: str = UNREADABLE) -> Fault:
    return Fault(f"{path}: expected a recording, found {detail}", reason=reason, detail=detail)


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A recording as the features hear it.

    Attributes
    ----------
    samples [shape=(n,)]
        float32, full scale is 1: of the one channel, of all where they are the same, or else of
        the clearest.
    sample_rate
        In Hz.
    channels
        Of the file.
    channel
        That which was taken, from 1 on; None: there is one, or all are the same.
    missing
        What a file that is cut off promised and what is there; otherwise empty.
    """

    samples: np.ndarray
    sample_rate: int
    channels: int = 1
    channel: int | None = None
    missing: str = ""


class Recording:
    """A recording, open to be read block by block. Use it in a ``with``.

    Where the channels differ it is decoded twice: once to choose the channel.

    Parameters
    ----------
    path
        Of a file, or of a pipe, which is first written to a temporary file.
    pipes
        Whether a pipe may be read; one in a folder might wait for ever.
    longest_s
        Seconds after which to stop, for a file that claims more than it can be; None: no limit.

    Attributes
    ----------
    sample_rate
        In Hz.
    channels
        Of the file.
    chosen
        The channel that is read, from 1 on; None: there is one, or all are the same.
    kind
        Of the file, from `containers.kind`.
    missing
        As in `Sound`, after the last block.

    Raises
    ------
    Fault
        If it cannot be decoded, is empty, holds a value that is no number or lasts too long.
    """

    def __init__(
        self, path: str | Path, *, pipes: bool = True, longest_s: float | None = None
    ) -> None:
        self.path = Path(path)
        self.missing = ""
        self.chosen: int | None = None
        self._begun: Iterator[Block] | None = None
        self._pipes, self._longest_s = pipes, longest_s
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Recording:
        with contextlib.ExitStack() as stack:
            try:
                self._source = self._opened(stack)
            except OSError as error:
                raise self._fault(f"{error.strerror or error}") from error
            self._look()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def kind(self) -> str:
        return self._source.kind

    def blocks(self) -> Iterator[np.ndarray]:
        """The samples of one channel, float32 [shape=(n,)] each, at `sample_rate`."""
        yield from _at_rate(self._channel_blocks(), self.sample_rate)

    def resampled(self, sample_rate: int | None) -> Iterator[np.ndarray]:
        """As `blocks`, at another rate: what `audio.resample` gives, bit for bit."""
        yield from _at_rate(self._channel_blocks(), sample_rate or self.sample_rate)

    def _opened(self, stack: contextlib.ExitStack) -> Source:
        path, mode = self.path, os.stat(self.path).st_mode
        if stat.S_ISFIFO(mode) and self._pipes:
            path = Path(stack.enter_context(_spooled(self.path)))
        elif not stat.S_ISREG(mode):
            raise self._fault(_special(mode))
        with open(path, "rb") as stream:
            start, size = stream.read(_START), os.fstat(stream.fileno()).st_size
            if not size:
                raise self._fault("an empty file", EMPTY)
            promise = containers.promise(stream, size)
        if promise.empty:
            raise self._fault("a header without samples", EMPTY)
        self._promised_but_missing = promise.missing
        return Source(path=path, size=size, start=start, patch=promise.patch)

    def _look(self) -> None:
        """Decode the beginning; all of it, where there are channels to choose from."""
        blocks = decoders.decode(self._source)
        rate, block = next(blocks, (0, np.empty((0, 1), np.float32)))
        if not len(block):
            raise self._nothing()
        self.sample_rate, self.channels = rate, block.shape[1]
        whole = self._limited(itertools.chain([(rate, block)], blocks))
        if self.channels == 1:
            self._begun = whole
            return
        chooser = Chooser(self.channels, rate=rate)
        for _, piece in whole:
            chooser.take(self._of_all_channels(piece))
        self.chosen = chooser.choose()

    def _channel_blocks(self) -> Iterator[Block]:
        bad = 0
        blocks, self._begun = self._begun or self._limited(decoders.decode(self._source)), None
        for rate, block in blocks:
            finite = np.isfinite(block).all(axis=1)
            bad += len(block) - np.count_nonzero(finite)
            if not bad:
                yield rate, self._of_all_channels(block)[:, (self.chosen or 1) - 1].copy()
        if bad:
            raise self._fault(f"{bad} samples are NaN or infinite", NOT_FINITE)
        self.missing = self._promised_but_missing or self._source.missing

    def _of_all_channels(self, block: np.ndarray) -> np.ndarray:
        """A part of a file may have other channels than the first: the last stands for the rest."""
        if block.shape[1] == self.channels:
            return block
        return block[:, np.minimum(np.arange(self.channels), block.shape[1] - 1)]

    def _limited(self, blocks: Iterable[Block]) -> Iterator[Block]:
        count = 0
        for rate, block in blocks:
            if not RATES[0] <= rate <= RATES[1]:
                raise self._fault(f"a rate of {rate} Hz, expected {RATES[0]} to {RATES[1]} Hz")
            count += len(block)
            if self._longest_s is not None and count > self._longest_s * self.sample_rate:
                raise self._fault(f"more than {self._longest_s:.0f} s of sound")
            yield rate, block

    def _nothing(self) -> Fault:
        """Why nothing was decoded, and what to do."""
        source, name = self._source, shlex.quote(self.path.name)
        found = containers.described(source.start)
        convert = f"try ffmpeg -i {name} -ar 16000 -ac 1 {name}.wav"
        if source.kind in ("", containers.MIDI):
            guess = found == containers.UNKNOWN and self.path.suffix.lower() in containers.SUFFIXES
            return self._fault(f"{found}: {convert}" if guess else found)
        if source.has_no_sound:
            return self._fault(f"{found} without sound")
        if self._promised_but_missing:
            return self._fault(f"{found} that is cut off: {self._promised_but_missing}")
        if not source.failure:
            return self._fault("a header without samples", EMPTY)
        return self._fault(f"{found} that cannot be decoded ({source.failure}): {convert}")

    def _fault(self, detail: str, reason: str = UNREADABLE) -> Fault:
        return _fault(self.path, detail, reason)


def channel_note(channel: int | None, channels: int) -> str:
    """Which channel was taken, in words; nothing where there was no choice."""
    return f"channel {channel} of {channels}: the clearer one" if channel else ""


def read(
    path: str | Path,
    *,
    sample_rate: int | None = None,
    pipes: bool = True,
    longest_s: float | None = None,
) -> Sound:
    """Read a recording whole.

    Parameters
    ----------
    path
        Of a file of any kind, rate and number of channels, or of a pipe.
    sample_rate
        Rate to resample to, in Hz; the file's own if None.
    pipes
        Whether a pipe may be read.
    longest_s
        Seconds that it may last; None: no limit but that of memory.

    Raises
    ------
    Fault
        If it cannot be used, lasts too long, or is longer than `MOST_HELD` samples.
    """
    with Recording(path, pipes=pipes, longest_s=longest_s) as recording:
        samples = _held(recording.resampled(sample_rate), path)
        if not np.isfinite(samples).all():
            raise _fault(path, "values beyond what a float can hold", NOT_FINITE)
        return Sound(
            samples=samples,
            sample_rate=sample_rate or recording.sample_rate,
            channels=recording.channels,
            channel=recording.chosen,
            missing=recording.missing,
        )


def read_audio(path: str | Path, *, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """The samples of `read`, float32 [shape=(n,)], and their rate in Hz."""
    sound = read(path, sample_rate=sample_rate)
    return sound.samples, sound.sample_rate


def _held(blocks: Iterable[np.ndarray], path: str | Path) -> np.ndarray:
    """Blocks in one array that grows in place, so that an hour is never held twice."""
    held, count = np.empty(0, np.float32), 0
    for block in blocks:
        end = count + len(block)
        if end > MOST_HELD:
            hours = MOST_HELD / 3600 / 16_000
            raise _fault(
                path, f"more than {MOST_HELD} samples ({hours:.0f} hours at 16 kHz): cut it up"
            )
        if end > len(held):
            held.resize(max(end, len(held) * 9 // 8), refcheck=False)
        held[count:end] = block
        count = end
    held.resize(count, refcheck=False)
    return held


def _at_rate(blocks: Iterable[Block], sample_rate: int) -> Iterator[np.ndarray]:
    """Blocks of one channel at one rate, whatever their own rates are."""
    change, change_rate, came, given = None, sample_rate, 0, 0

    def rest() -> Iterator[np.ndarray]:
        if change is not None:
            length = int(np.ceil(came * float(sample_rate) / change_rate))
            last = change.resample_chunk(np.zeros(0, np.float32), last=True)
            yield fix_length(last, max(0, length - given))

    for rate, block in blocks:
        if rate != change_rate:
            yield from rest()
            change, change_rate, came, given = None, rate, 0, 0
            if rate != sample_rate:
                change = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
        came += len(block)
        out = block if change is None else change.resample_chunk(block)
        given += len(out)
        yield out
    yield from rest()


@contextlib.contextmanager
def _spooled(path: Path) -> Iterator[str]:
    """A temporary file of what comes out of a pipe: decoders look at its end, or read it twice."""
    with tempfile.NamedTemporaryFile(prefix="ser-tinyml-") as kept, open(path, "rb") as pipe:
        while block := pipe.read(1 << 20):
            kept.write(block)
            if kept.tell() > _MOST_PIPED:
                raise _fault(path, f"a pipe of over {_MOST_PIPED} bytes")
        kept.flush()
        yield kept.name


def _special(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe, which might never end" if stat.S_ISFIFO(mode) else "a device or socket"
