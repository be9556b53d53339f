"""The board from the host's side: protocol, finding one, a virtual one, test mode, report.

What goes over the line is described in ``firmware/arduino_nano33/README.md`` and ``protocol.h``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import queue
import select
import shutil
import struct
import subprocess
import tempfile
import termios
import threading
import time
import tty
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import CACHE, in_checkout, shipped

if TYPE_CHECKING:
    import pandas as pd

SKETCH = shipped("firmware/arduino_nano33")
VIRTUAL = shipped("firmware/virtual_board")
BUILT = (VIRTUAL if in_checkout() else CACHE) / "build"
MODEL = SKETCH / "src" / "model"
GOLDEN = SKETCH / "golden"

PROTOCOL = 1
MAGIC = b"\xa5\x5a"
HEADER = struct.Struct("<BHH")  # type, sequence number, length of the payload; after the magic
CRC = struct.Struct("<I")
MOST_PAYLOAD = 8 + 2 * 512
CHUNK = 512  # samples in a frame of the test mode
MOST_WAITING = 8192  # messages that wait to be looked at: about a minute and a half of streaming
KEPT = ("path", "speaker", "label", "sample_rate", "duration_s", "sha256")
PORTS = ("/dev/serial/by-id/*Nano_33_BLE*", "/dev/ttyACM*", "/dev/cu.usbmodem*")


class BoardError(DataError):
    """The board does not answer, or not as expected."""


# --- What goes over the line ---------------------------------------------------------------------


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
    """The end of a clip in test mode; onset is -1 if the gate found no speech."""

    __test__ = False  # no test, although pytest collects such names

    samples: int
    frames: int
    steps: int
    onset: int
    status: int


Message = dict[str, Any] | Audio | Level | Step | TestDone


def encode(frame_type: int, sequence: int, payload: bytes = b"") -> bytes:
    """A binary frame."""
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


# --- A board -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClipResult:
    """What the board made of a recording that the host sent it.

    Attributes
    ----------
    onset
        Frame at which the features begin.
    features, inputs [shape=(steps, n_inputs)]
        float32 before normalisation, and the model's int8.
    outputs [shape=(steps, n_classes)]
        int8; the last row is the clip's answer.
    features_us, engine_us [shape=(steps,)]
        Microseconds that each step took.
    """

    onset: int
    features: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    features_us: np.ndarray
    engine_us: np.ndarray


class Board:
    """A board, real or virtual, on a serial port. Close it, or use it in a ``with``.

    Parameters
    ----------
    path
        Of the port, for example ``/dev/ttyACM0``.
    patience
        Seconds to wait for an answer.

    Attributes
    ----------
    status
        What the board said of itself when it was opened.

    Raises
    ------
    BoardError
        If the port cannot be opened, or no board of this protocol is behind it.
    """

    def __init__(self, path: str | Path, *, patience: float = 5.0) -> None:
        self.path = Path(path)
        self.patience = patience
        self._decoder = Decoder()
        self._come: queue.Queue[Message | BoardError] = queue.Queue(MOST_WAITING)
        self._waiting: deque[Message] = deque()  # passed over by `command`
        self._sequence = 0
        self._closing = threading.Event()
        # Pictures take longer to draw than the board can wait.
        self._reader = threading.Thread(target=self._read, daemon=True)
        try:
            self._port = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise BoardError(f"{path}: expected a board, found: {error.strerror}") from error
        try:
            tty.setraw(self._port)
            termios.tcflush(self._port, termios.TCIFLUSH)
            self._reader.start()
            self.status = self._greet()
            if self.status.get("protocol") != PROTOCOL:
                raise BoardError(
                    f"{path}: expected protocol {PROTOCOL}, found {self.status.get('protocol')}"
                )
        except (termios.error, BoardError) as error:
            self.close()
            if isinstance(error, BoardError):
                raise
            raise BoardError(f"{path}: expected a serial port, found: {error.args[-1]}") from error

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the port; the board stops streaming by itself."""
        self._closing.set()
        if self._reader.is_alive():
            self._reader.join()
        if self._port >= 0:
            os.close(self._port)
            self._port = -1

    @property
    def step_ms(self) -> float:
        """Milliseconds of sound in a step of the model."""
        status = self.status
        return 1000 * status["hop_length"] * status["stack"] / status["sample_rate"]

    @property
    def labels(self) -> list[str]:
        """Names of the model's outputs."""
        return self.status["labels"]

    @property
    def lost_frames(self) -> int:
        """Binary frames that, by their numbers, did not come."""
        return self._decoder.lost

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """int8 outputs as probabilities, float32."""
        zero, nano = self.status["output_zero_point"], self.status["output_scale_nano"]
        return (outputs.astype(np.float32) - zero) * np.float32(nano * 1e-9)

    def _greet(self) -> dict[str, Any]:
        """Ask for the status until it is told: the last host may have left half a frame behind."""
        end = time.monotonic() + self.patience
        while True:
            try:
                return self.command("status", patience=0.5)
            except BoardError:
                if time.monotonic() > end:
                    raise

    def command(self, text: str, *, patience: float | None = None) -> dict[str, Any]:
        """Send a line and wait for the answer; what comes before it is kept for `messages`.

        Parameters
        ----------
        text
            For example "threshold 0.6".
        patience
            Seconds to wait, if not those of the board.

        Raises
        ------
        BoardError
            If the board says that it was wrong, or nothing.
        """
        self._write(f"{text}\n".encode("ascii"))
        event = text if text in ("status", "help") else "ok"
        end = time.monotonic() + (patience or self.patience)
        passed: list[Message] = []
        answer: dict[str, Any] | None = None
        while answer is None and (left := end - time.monotonic()) > 0:
            for item in self._take(left):
                answers = isinstance(item, dict) and item.get("event") in (event, "error")
                if answer is None and answers:
                    answer = item
                else:
                    passed.append(item)
        self._waiting.extendleft(reversed(passed))
        if answer is None:
            raise BoardError(f"{self.path}: {text!r}: expected an answer, found none")
        if answer["event"] == "error":
            raise BoardError(f"{self.path}: {text!r}: {answer.get('reason')}")
        return answer

    def messages(self, seconds: float) -> Iterator[Message]:
        """Everything that the board says within some seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            yield from self._take(left)

    def stream(self, seconds: float, *, every: float = 0.5) -> Iterator[list[Message]]:
        """Let the board send sound, levels and steps for some seconds of **its** time.

        Yields
        ------
        messages
            In lots of about `every` seconds of sound.
        """
        rate = self.status["sample_rate"]
        self.command("stream start")
        lot: list[Message] = []
        heard = sent = 0
        quiet_since = time.monotonic()
        try:
            while heard < seconds * rate:
                for item in self._take(0.2):
                    lot.append(item)
                    if isinstance(item, Audio):
                        heard += len(item.samples)
                        quiet_since = time.monotonic()
                if time.monotonic() - quiet_since > self.patience:
                    raise BoardError(
                        f"{self.path}: expected sound, found none: {self._faults(lot)}"
                    )
                if heard - sent >= every * rate:
                    yield lot
                    lot, sent = [], heard
        finally:
            if self._port >= 0:
                self.command("stream stop")
        yield lot + self._take(0)  # what was on its way

    def run_clip(self, samples: np.ndarray) -> ClipResult:
        """Send a recording in place of the microphone: features, int8 inputs and outputs come back.

        What the board said before and nobody looked at is dropped.

        Parameters
        ----------
        samples [shape=(n,)]
            int16 at the board's rate.

        Raises
        ------
        BoardError
            If the board has a fault or something was lost on the line.
        """
        if samples.dtype != np.int16 or samples.ndim != 1 or not len(samples):
            raise DataError(
                f"clip: expected int16 [shape=(n,)], found {samples.dtype} {samples.shape}"
            )
        steps, done = self._test(samples, whole=False)
        if done.onset < 0:  # it begins in mid-speech, which one knows only at its end
            steps, done = self._test(samples, whole=True)
        if done.status or len(steps) != done.steps or done.steps != self.status["steps"]:
            raise BoardError(
                f"{self.path}: expected {self.status['steps']} steps, found {len(steps)} of "
                f"{done.steps}, fault {done.status}"
            )
        return ClipResult(
            done.onset,
            *(
                np.array([getattr(step, name) for step in steps])
                for name in ("features", "inputs", "outputs", "features_us", "engine_us")
            ),
        )

    def _test(self, samples: np.ndarray, *, whole: bool) -> tuple[list[Step], TestDone]:
        lost, data = self._decoder.lost, samples.astype("<i2").tobytes()
        chunks = [data[i : i + 2 * CHUNK] for i in range(0, len(data), 2 * CHUNK)]
        self.command("stream stop")
        self._waiting.clear()  # what was streamed before is not of this clip
        self._send(FrameType.TEST_BEGIN, bytes([whole]))
        for chunk in chunks:
            self._send(FrameType.TEST_AUDIO, chunk)
        self._send(FrameType.TEST_END)
        steps: list[Step] = []
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            for item in self._take(0.2):
                if isinstance(item, Step):
                    steps.append(item)
                    end = time.monotonic() + self.patience
                elif isinstance(item, TestDone):
                    if self._decoder.lost != lost or item.samples != len(samples):
                        raise BoardError(f"{self.path}: frames were lost on the line")
                    return steps, item
                elif isinstance(item, dict) and item.get("event") in ("fault", "error"):
                    raise BoardError(f"{self.path}: {item.get('detail', item.get('reason'))}")
        raise BoardError(f"{self.path}: expected the end of a test, found nothing more")

    def _faults(self, messages: Sequence[Message]) -> str:
        faults = [m for m in messages if isinstance(m, dict) and m.get("event") == "fault"]
        return faults[-1]["detail"] if faults else "no fault was told"

    def _send(self, frame_type: FrameType, payload: bytes = b"") -> None:
        self._write(encode(frame_type, self._sequence, payload))
        self._sequence += 1

    def _write(self, data: bytes) -> None:
        end = time.monotonic() + self.patience
        while data:
            if not select.select([], [self._port], [], 0.2)[1]:
                if time.monotonic() > end:
                    raise BoardError(f"{self.path}: expected it to take bytes, found it does not")
                continue
            try:
                data = data[os.write(self._port, data[:512]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise BoardError(f"{self.path}: {error.strerror}") from error
            end = time.monotonic() + self.patience

    def _take(self, seconds: float) -> list[Message]:
        """What is there, or else what comes first within some seconds."""
        taken = list(self._waiting)
        self._waiting.clear()
        try:
            while len(taken) < MOST_WAITING:
                item = self._come.get(timeout=0 if taken else max(seconds, 0))
                if isinstance(item, BoardError):
                    raise item
                taken.append(item)
        except queue.Empty:
            pass
        return taken

    def _read(self) -> None:
        """Take what comes, in a thread of its own, and hand it to `_take`."""
        try:
            while not self._closing.is_set():
                if not select.select([self._port], [], [], 0.05)[0]:
                    continue
                data = os.read(self._port, 4096)
                if not data:
                    raise BoardError(f"{self.path}: expected a board, found the port closed")
                for item in self._decoder.push(data):
                    self._hand(message(item) if isinstance(item, Frame) else item)
        except OSError as error:
            self._hand(BoardError(f"{self.path}: {error.strerror}"))
        except BoardError as error:
            self._hand(error)

    def _hand(self, item: Message | BoardError) -> None:
        while not self._closing.is_set():
            try:
                return self._come.put(item, timeout=0.1)
            except queue.Full:  # the board has to wait
                continue


def find() -> Path | None:
    """The port of the first board that answers, or None."""
    for pattern in PORTS:
        for path in sorted(Path("/").glob(pattern.removeprefix("/"))):
            try:
                with Board(path, patience=1.5):
                    return path
            except BoardError:
                continue
    return None


# --- The virtual board ---------------------------------------------------------------------------


class VirtualBoard:
    """The firmware on this computer, behind a pseudo-terminal. Use it in a ``with``.

    Parameters
    ----------
    samples [shape=(n,)]
        int16: what its microphone hears, from the first `Board.stream` on.
    speed
        1 is real time, 4 four times as fast, 0 as fast as can be.
    model
        Folder with the generated sources of the model.

    Attributes
    ----------
    path
        Of the port.
    """

    def __init__(
        self, samples: np.ndarray, *, speed: float = 1.0, model: str | Path = MODEL
    ) -> None:
        self.samples = np.asarray(samples, np.int16)
        self.speed = speed
        self.model = Path(model)
        self.path = Path()

    def __enter__(self) -> VirtualBoard:
        program = build_virtual_board(self.model)
        self._folder = tempfile.TemporaryDirectory()
        sound = files.write_bytes(
            Path(self._folder.name) / "sound.s16", self.samples.astype("<i2").tobytes()
        )
        self._process = subprocess.Popen(
            [program, sound, str(self.speed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.path = Path(self._process.stdout.readline().strip())
        if not self.path.name:
            self.__exit__()
            raise BoardError(f"{program}: expected the path of a port, found nothing")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()  # it ends by itself then
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()


def save_clips(
    folder: str | Path, clips: Sequence[np.ndarray], *, rate: int, label: str, speaker: str
) -> pd.DataFrame:
    """Keep recordings of the board's own microphone for a later training.

    Parameters
    ----------
    folder
        Gets ``<speaker>_<label>_<number>.wav``, numbered on from what is there, and ``clips.csv``.
    clips
        int16 each, from `Hearing.clips`.

    Returns
    -------
    table
        Of all clips in the folder: path, speaker, label, sample_rate, duration_s, sha256.
    """
    import pandas as pd

    for name, value in (("label", label), ("speaker", speaker)):
        if not value.isalnum():
            raise DataError(f"{name}: expected letters and digits, found {value!r}")
    folder = Path(folder)
    listed = folder / "clips.csv"
    rows = files.read_table(listed).to_dict("records") if listed.is_file() else []
    before = sum(row["speaker"] == speaker and row["label"] == label for row in rows)
    for number, clip in enumerate(clips, start=before + 1):
        name = f"{speaker}_{label}_{number:03d}.wav"
        stream = io.BytesIO()
        soundfile.write(stream, clip, rate, format="WAV", subtype="PCM_16")
        files.write_bytes(folder / name, stream.getvalue())
        digest = files.sha256_bytes(clip.astype("<i2").tobytes())
        rows.append(
            dict(zip(KEPT, (name, speaker, label, rate, len(clip) / rate, digest), strict=True))
        )
    table = pd.DataFrame(rows, columns=KEPT)
    files.write_table(listed, table)
    return table


def with_pauses(
    clips: Sequence[np.ndarray], *, sample_rate: int, pause_s: float = 1.5, seed: int = 0
) -> np.ndarray:
    """Clips one after the other as a microphone would hear them: with a quiet room between them.

    Parameters
    ----------
    clips
        int16 each.

    Returns
    -------
    samples [shape=(n,)]
        int16, noise of two units' deviation in the pauses.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for clip in clips:
        parts += [rng.normal(0, 2, round(pause_s * sample_rate)), clip]
    parts.append(rng.normal(0, 2, round(pause_s * sample_rate)))
    return np.round(np.concatenate(parts)).astype(np.int16)


def build_virtual_board(
    model: str | Path = MODEL, *, flags: Sequence[str] = ("-O2",), source: str | Path | None = None
) -> Path:
    """Compile the virtual board, or another program that takes its place, for a model.

    Parameters
    ----------
    model
        Folder with the generated sources.
    flags
        For the compiler.
    source
        Of the program; the virtual board's own if None.

    Raises
    ------
    BoardError
        If there is no compiler or no model, or they do not fit.
    """
    model = Path(model)
    if not (model / "model.h").is_file():
        raise BoardError(f"{model}: expected a model's C++ sources, found none: run notebook 05")
    main = Path(source or VIRTUAL / "virtual_board.cpp")
    return _build(main, model=model, flags=("-DSER_ENGINE=SER_ENGINE_DIRECT", *flags))


def _build(main: Path, *, flags: Sequence[str], model: Path) -> Path:
    """Compile a program with the portable sources, once for the same sources and flags."""
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None:
        raise BoardError(f"{compiler}: expected a C++ compiler, found none: install g++ or clang++")
    sources = {"ser": SKETCH / "src" / "ser", "model": model}
    copied = {
        f"{name}/{path.name}": path
        for name, folder in sources.items()
        for path in sorted(folder.iterdir())
        if path.suffix in (".h", ".cpp")
    }
    texts = {name: path.read_text("utf-8") for name, path in copied.items()}
    texts[main.name] = main.read_text("utf-8")
    key = files.sha256_json([texts, list(flags), compiler, platform.platform()])[:16]
    program = BUILT / key / main.stem
    if program.is_file():
        return program
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, text in texts.items():
            files.write_text(folder / name, text)
        units = [str(folder / name) for name in texts if name.endswith(".cpp")]
        output = folder / main.stem
        command = [compiler, "-std=c++14", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra"]
        command += [*flags, f"-I{folder}", *units, "-o", str(output)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            errors = [line for line in result.stderr.splitlines() if "error" in line]
            raise BoardError(
                f"{main}: expected {compiler} to compile it, found:\n"
                + "\n".join(errors[:10] or [result.stderr])
            )
        whole = files.write_bytes(program.with_name(f".{os.getpid()}"), output.read_bytes())
    whole.chmod(0o755)
    os.replace(whole, program)  # another process never sees it before it can be run
    return program


# --- Listening -----------------------------------------------------------------------------------


@dataclass
class Hearing:
    """What a board that streams was heard to say, in the order of time.

    Attributes
    ----------
    rate
        Of the sound, in Hz.
    audio
        Pieces of sound.
    levels
        (second, level in dB, floor in dB, whether it is speech).
    steps
        (second, step) of the model.
    lines
        JSON lines; each is given the second of the sound at which it came.
    """

    rate: int
    audio: list[np.ndarray] = field(default_factory=list)
    levels: list[tuple[float, float, float, bool]] = field(default_factory=list)
    steps: list[tuple[float, Step]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    lost: int = 0
    _count: int = 0

    def take(self, messages: Sequence[Message]) -> None:
        """Add what a board said."""
        for item in messages:
            if isinstance(item, Audio):
                self.audio.append(item.samples)
                self._count += len(item.samples)
                self.lost = item.lost
            elif isinstance(item, Level):
                speech = item.gate in (1, 2)
                self.levels.append((self.seconds, item.level_db, item.floor_db, speech))
            elif isinstance(item, Step):
                self.steps.append((self.seconds, item))
            elif isinstance(item, dict):
                self.lines.append({**item, "second": self.seconds})

    @property
    def seconds(self) -> float:
        """Of sound so far."""
        return self._count / self.rate

    @property
    def samples(self) -> np.ndarray:
        """All the sound, int16 [shape=(n,)]."""
        return np.concatenate(self.audio) if self.audio else np.zeros(0, np.int16)

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """The final ones."""
        return [line for line in self.lines if line.get("event") == "decision" and line["final"]]

    def decision_table(self, labels: Sequence[str]) -> pd.DataFrame:
        """Final decisions: second, label, steps, colour of the LED, a probability a label."""
        import pandas as pd

        rows = [
            [line["second"], line["label"], line["steps"], line["colour"], *line["probabilities"]]
            for line in self.decisions
        ]
        return pd.DataFrame(rows, columns=["second", "label", "steps", "colour", *labels])

    @property
    def times_us(self) -> tuple[np.ndarray, np.ndarray]:
        """Microseconds that features and engine took, of each step."""
        steps = [step for _, step in self.steps]
        return (
            np.array([step.features_us for step in steps]),
            np.array([step.engine_us for step in steps]),
        )

    def clips(self, *, margin_s: float = 0.3) -> list[np.ndarray]:
        """The pieces in which somebody speaks, from some time before to the end the gate found."""
        samples, margin, clips = self.samples, round(margin_s * self.rate), []
        begin: int | None = None
        for line in self.lines:
            if line.get("event") != "speech":
                continue
            at = round(line["second"] * self.rate)
            if line["state"] == "begin":
                begin = max(at - margin, 0)
            elif begin is not None:
                clips.append(samples[begin:at])
                begin = None
        return clips


# --- The report ----------------------------------------------------------------------------------


def check_golden(board: Board, folder: str | Path = GOLDEN) -> list[dict[str, Any]]:
    """Send every golden clip to a board and hold its answers against the vectors.

    Parameters
    ----------
    folder
        With golden.json, of the model that the board holds.

    Returns
    -------
    A row a clip: name, label, same_outputs, input_units (largest difference of an int8 input),
    feature_difference (largest, in the feature's own deviations over the clips), features_us and
    engine_us (lists, microseconds of each step).

    Raises
    ------
    DataError
        If they are of another model.
    """
    folder = Path(folder)
    golden = files.read_json(folder / "golden.json")
    if golden["model_id"] != board.status["model"]:
        raise BoardError(
            f"{board.path}: expected model {golden['model_id']} of {folder}, "
            f"found {board.status['model']}"
        )
    vectors = [
        {stage: np.load(folder / name) for stage, name in clip["files"].items()}
        for clip in golden["clips"]
    ]
    spread = np.concatenate([vector["features"] for vector in vectors]).std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    rows = []
    for clip, vector in zip(golden["clips"], vectors, strict=True):
        result = board.run_clip(vector["waveform"])
        units = result.inputs.astype(int) - vector["inputs"]
        rows.append(
            {
                "name": clip["name"],
                "label": board.labels[int(result.outputs[-1].argmax())],
                "same_outputs": bool((result.outputs[-1] == vector["outputs"]).all()),
                "input_units": int(abs(units).max()),
                "feature_difference": float(
                    (abs(result.features - vector["features"]) / spread).max()
                ),
                "features_us": result.features_us.tolist(),
                "engine_us": result.engine_us.tolist(),
            }
        )
    return rows


def report(board: Board, rows: Sequence[Mapping[str, Any]]) -> str:
    """A board's answers and times as Markdown, to be sent to this project.

    Parameters
    ----------
    rows
        From `check_golden`.
    """
    status = board.command("status")
    step_ms = board.step_ms
    features, engine = (
        np.concatenate([row[name] for row in rows]) / 1000 for name in ("features_us", "engine_us")
    )
    virtual = " (this computer, not a board)" if status["board"] == "virtual board" else ""
    lines = [
        f"### Board report: {status['board']}{virtual}",
        "",
        f"Model `{status['model']}`, engine `{status['engine']}`, arena {status['arena_bytes']:,} "
        f"bytes, reset: {status['reset']}, fault: {status['fault']}.",
        f"Live: {status['heard_ms'] / 1000:.0f} s heard, {status['decisions']} decisions, "
        f"{status['lost_samples']} samples lost, load {status['load']:.1%}.",
        "",
        f"| a step ({step_ms:.0f} ms of sound) | median ms | longest ms |",
        "|---|---|---|",
    ]
    parts = (("features", features), ("engine", engine), ("both", features + engine))
    lines += [f"| {name} | {np.median(ms):.2f} | {ms.max():.2f} |" for name, ms in parts]
    share = np.mean(features + engine) / step_ms
    lines += [
        "",
        f"Share of the processor while somebody speaks: {share:.1%}.",
        "",
        "| golden clip | label | outputs | inputs, units apart | features, deviations apart |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['name']} | {row['label']} | {'same' if row['same_outputs'] else '**differ**'} | "
        f"{row['input_units']} | {row['feature_difference']:.1e} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m ser_tinyml board-report``: test a board and write what to send."""
    parser = argparse.ArgumentParser(
        prog="python -m ser_tinyml board-report",
        description="Send the golden clips to a board; print a report of its answers and times.",
    )
    parser.add_argument("--port", help="of the board (default: the first that answers)")
    parser.add_argument("--virtual", action="store_true", help="use the virtual board")
    parser.add_argument("--model", default=MODEL, help="sources of the virtual board's model")
    parser.add_argument("--golden", default=GOLDEN, help="folder of the golden vectors")
    parser.add_argument("--output", help="file to write the report to as well")
    options = parser.parse_args(argv)
    if options.virtual:
        with VirtualBoard(np.zeros(0, np.int16), model=options.model) as virtual:
            return _report(virtual.path, options)
    port = options.port or find()
    if port is None:
        raise BoardError("expected a board on a serial port, found none: is it plugged in?")
    return _report(Path(port), options)


def _report(port: Path, options: argparse.Namespace) -> int:
    with Board(port) as board:
        rows = check_golden(board, options.golden)
        text = report(board, rows)
    print(text)
    if options.output:
        files.write_text(options.output, text)
    return 0 if all(row["same_outputs"] for row in rows) else 1
