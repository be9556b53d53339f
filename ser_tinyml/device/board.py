"""A board on a serial port: commands, streams, and recordings in place of its microphone."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import serial
from serial.tools import list_ports

from ser_tinyml.device.protocol import (
    VERSION,
    Audio,
    BoardError,
    Decoder,
    Frame,
    FrameType,
    LineError,
    Message,
    Step,
    TestDone,
    clip_frames,
    encode,
    message,
)
from ser_tinyml.files import DataError

BAUD = 115_200  # over USB it has no meaning
PORTION = 512  # bytes that are written at once
MOST_WAITING = 8192  # messages that wait to be looked at: about a minute and a half of streaming
# USB vendor and product, as the Arduino core's boards.txt has them.
NANO_33_BLE = (0x2341, 0x805A)
BOOTLOADER = (0x2341, 0x005A)


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
        Of the port, for example ``/dev/ttyACM0`` or ``COM3``.
    patience
        Seconds to wait for an answer.

    Attributes
    ----------
    status
        What the board last said of itself: when it was opened, or asked for its status.

    Raises
    ------
    BoardError
        If the port cannot be opened, or no board of this protocol is behind it.
    """

    def __init__(self, path: str | Path, *, patience: float = 5.0) -> None:
        self.path = str(path)
        self.patience = patience
        self._decoder = Decoder()
        self._come: queue.Queue[Message | BoardError] = queue.Queue(MOST_WAITING)
        self._waiting: deque[Message] = deque()  # passed over by `command`
        self._sequence = 0
        self._closing = threading.Event()
        # Pictures take longer to draw than the board can wait.
        self._reader = threading.Thread(target=self._read, daemon=True)
        try:
            self._port = serial.Serial(
                self.path, BAUD, timeout=0.05, write_timeout=patience, exclusive=True
            )
        except OSError as error:
            raise BoardError(f"{path}: expected a serial port, found: {error}") from error
        try:
            self._port.reset_input_buffer()
            self._reader.start()
            self.status = self._greet()
            if self.status.get("protocol") != VERSION:
                raise BoardError(
                    f"{path}: expected protocol {VERSION}, found {self.status.get('protocol')}"
                )
        except BoardError:
            self.close()
            raise

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the port; the board stops streaming by itself."""
        self._closing.set()
        if self._reader.is_alive():
            self._reader.join()
        self._port.close()

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
        if event == "status":
            self.status = answer
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
            if self._port.is_open:
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
        steps, done = self._test(samples)
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

    def _test(self, samples: np.ndarray) -> tuple[list[Step], TestDone]:
        lost = self._decoder.lost
        self.command("stream stop")
        self._waiting.clear()  # what was streamed before is not of this clip
        for frame_type, payload in clip_frames(samples):
            self._send(frame_type, payload)
        steps: list[Step] = []
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            for item in self._take(0.2):
                if isinstance(item, Step):
                    if item.step == 0:  # the beginning moved on
                        steps.clear()
                    steps.append(item)
                    end = time.monotonic() + self.patience
                elif isinstance(item, TestDone):
                    if self._decoder.lost != lost or item.samples != len(samples):
                        raise LineError(f"{self.path}: frames were lost on the line")
                    return steps, item
                elif isinstance(item, dict) and item.get("event") in ("fault", "error"):
                    raise BoardError(f"{self.path}: {item.get('detail', item.get('reason'))}")
        raise LineError(f"{self.path}: expected the end of a test, found nothing more")

    def _faults(self, messages: Sequence[Message]) -> str:
        faults = [m for m in messages if isinstance(m, dict) and m.get("event") == "fault"]
        return faults[-1]["detail"] if faults else "no fault was told"

    def _send(self, frame_type: FrameType, payload: bytes) -> None:
        self._write(encode(frame_type, self._sequence, payload))
        self._sequence += 1

    def _write(self, data: bytes) -> None:
        try:
            for start in range(0, len(data), PORTION):
                self._port.write(data[start : start + PORTION])
        except serial.SerialTimeoutException as error:
            raise BoardError(
                f"{self.path}: expected it to take bytes, found it does not"
            ) from error
        except OSError as error:
            raise BoardError(f"{self.path}: {error}") from error

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
                data = self._port.read(self._port.in_waiting or 1)
                for item in self._decoder.push(data):
                    self._hand(message(item) if isinstance(item, Frame) else item)
        except OSError as error:
            self._hand(BoardError(f"{self.path}: {error}"))
        except BoardError as error:
            self._hand(error)

    def _hand(self, item: Message | BoardError) -> None:
        while not self._closing.is_set():
            try:
                return self._come.put(item, timeout=0.1)
            except queue.Full:  # the board has to wait
                continue


def find() -> str | None:
    """The port of the first board that answers, or None."""
    for port in list_ports.comports():
        if (port.vid, port.pid) == NANO_33_BLE:
            with contextlib.suppress(BoardError), Board(port.device, patience=1.5):
                return port.device
    return None


def none_found() -> BoardError:
    """What to raise where `find` found none; it knows of a board that waits for a sketch."""
    for port in list_ports.comports():
        if (port.vid, port.pid) == BOOTLOADER:
            return BoardError(
                f"{port.device}: expected a board that runs the sketch, found one that waits for "
                "an upload: flash it, or press its reset button once"
            )
    return BoardError(
        "expected a board on a serial port, found none: is it plugged in? "
        "A virtual one needs none: ser-tinyml board --virtual"
    )
