"""Which instructions of a program QEMU runs, one after the other, read from its log."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ser_tinyml.device.emulation.toolchain import QEMU, emulator
from ser_tinyml.files import DataError

BLOCK = 1 << 20  # bytes of the log that are read at once
LONGEST_S = 600
LOGGED = re.compile(  # a piece of code that runs, an instruction of one, one that did not run
    rb"^(?:Trace \d+: 0x([0-9a-f]+) \[[^/\n]*/([0-9a-f]+)|0x([0-9a-f]+):|(Stopped))", re.M
)


def instructions(program: Path) -> Iterator[np.ndarray]:
    """Run a program in QEMU: addresses of its instructions as they run, some thousands at a time.

    QEMU translates straight pieces of code and runs them whole. It lists the instructions of a
    piece when it translates it, and says each time that it runs it.

    Raises
    ------
    DataError
        If QEMU does not list what it translates.
    """
    with contextlib.ExitStack() as opened:
        # not beside the program: a process that is killed here would leave it in the way
        pipe = Path(opened.enter_context(tempfile.TemporaryDirectory())) / "trace"
        os.mkfifo(pipe)
        command = emulator(program, "-d", "exec,nochain,in_asm", "-D", str(pipe))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running = opened.enter_context(subprocess.Popen(command, cwd=program.parent, **quiet))
        watch = threading.Timer(LONGEST_S, running.kill)
        watch.start()
        try:
            with pipe.open("rb") as stream:
                pieces, rest = Pieces(), b""
                while block := stream.read(BLOCK):
                    whole, newline, rest = (rest + block).rpartition(b"\n")
                    yield pieces.run(whole + newline)
                yield pieces.run(rest, last=True)
        finally:
            watch.cancel()
            running.kill()


class Pieces:
    """The straight pieces of code that QEMU runs, by where it keeps their translation."""

    def __init__(self) -> None:
        self._known: dict[bytes, np.ndarray] = {}
        self._listed: list[int] = []  # of the piece that is translated now
        self._held: list[np.ndarray] = []

    def run(self, log: bytes, *, last: bool = False) -> np.ndarray:
        """Addresses of the instructions that ran, by the next lines of the log.

        Unless these lines are the last, their last piece comes with the next ones, for it may be
        taken back: QEMU says of some pieces afterwards that they were not begun.

        Raises
        ------
        DataError
            If QEMU does not list what it translates.
        """
        ran, self._held = self._held, []
        for place, begin, listed, _ in LOGGED.findall(log):
            if listed:
                self._listed.append(int(listed, 16))
            elif place:
                ran.append(self._piece(place, int(begin, 16)))
            elif ran:
                ran.pop()
        if ran and not last:
            self._held = [ran.pop()]
        return np.concatenate(ran) if ran else np.zeros(0, np.int64)

    def _piece(self, place: bytes, begin: int) -> np.ndarray:
        if self._listed:
            self._known[place], self._listed = np.array(self._listed, np.int64), []
        piece = self._known.get(place)
        if piece is None or piece[0] != begin:
            raise DataError(
                f"{QEMU}: expected it to list the instructions at 0x{begin:08x}, found none; "
                "a build of it with capstone does"
            )
        return piece
