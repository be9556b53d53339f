"""The firmware on this computer, behind a port that looks like a board's."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ser_tinyml import files
from ser_tinyml.device import MODEL, PORTABLE
from ser_tinyml.device.protocol import BoardError
from ser_tinyml.provenance import CACHE, in_checkout, shipped
from ser_tinyml.sound import audio

PROGRAM = shipped("firmware/virtual_board") / "virtual_board.cpp"
BUILT = (PROGRAM.parent if in_checkout() else CACHE) / "build"
FLAGS = ("-std=c++14", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra")


class VirtualBoard:
    """The firmware on this computer, behind a pseudo-terminal. Use it in a ``with``.

    Parameters
    ----------
    samples [shape=(n,)]
        What its microphone hears, from the first `Board.stream` on: int16, or floats whose full
        scale is 1.
    speed
        1 is real time, 4 four times as fast, 0 as fast as can be.
    model
        Folder with the generated sources of the model.

    Attributes
    ----------
    path
        Of the port.

    Raises
    ------
    DataError
        If the samples are anything else.
    """

    def __init__(
        self, samples: np.ndarray, *, speed: float = 1.0, model: str | Path = MODEL
    ) -> None:
        self.samples = audio.as_int16(samples, name="virtual board")
        self.speed = speed
        self.model = Path(model)
        self.path = ""

    def __enter__(self) -> VirtualBoard:
        if os.name == "nt":
            raise BoardError(
                "the virtual board: expected Linux or macOS, whose pseudo-terminal is its port, "
                "found Windows: use the Windows Subsystem for Linux"
            )
        program = build(self.model)
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
        self.path = self._process.stdout.readline().strip()
        if not self.path:
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


def build(
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
    model = generated(model)
    main = Path(source or PROGRAM)
    return _compile(main, model=model, flags=("-DSER_ENGINE=SER_ENGINE_DIRECT", *flags))


def generated(model: str | Path) -> Path:
    """The folder of a model's C++ sources.

    Raises
    ------
    BoardError
        If it has none.
    """
    model = Path(model)
    if not (model / "model.h").is_file():
        raise BoardError(f"{model}: expected a model's C++ sources, found none: run notebook 05")
    return model


def _compile(main: Path, *, flags: Sequence[str], model: Path) -> Path:
    """Compile a program with the portable sources, once for the same sources and flags."""
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None:
        raise BoardError(f"{compiler}: expected a C++ compiler, found none: install g++ or clang++")
    sources = texts(main, model)
    # The name is a hash of all that goes in: what is there never has to be checked again.
    key = files.sha256_json([sources, list(flags), compiler, platform.platform()])[:16]
    program = BUILT / key / main.stem
    if program.is_file():
        return program
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, text in sources.items():
            files.write_text(folder / name, text)
        units = [str(folder / name) for name in sources if name.endswith(".cpp")]
        output = folder / main.stem
        command = [compiler, *FLAGS, *flags, f"-I{folder}", *units, "-o", str(output)]
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


def texts(main: Path, model: Path) -> dict[str, str]:
    """All C++ of a program, by the path that it is included by."""
    texts = {
        f"{name}/{path.name}": path.read_text("utf-8")
        for name, folder in {**PORTABLE, "model": model}.items()
        for path in sorted(folder.iterdir())
        if path.suffix in (".h", ".cpp")
    }
    return {**texts, main.name: main.read_text("utf-8")}


def with_pauses(
    clips: Sequence[np.ndarray], *, sample_rate: int, pause_s: float = 1.5, seed: int = 0
) -> np.ndarray:
    """Clips one after the other as a microphone would hear them: with a quiet room between them.

    Parameters
    ----------
    clips
        int16 each, or floats whose full scale is 1.

    Returns
    -------
    samples [shape=(n,)]
        int16, noise of two units' deviation in the pauses.

    Examples
    --------
    >>> samples = with_pauses([np.full(16_000, 0.5)], sample_rate=16_000, pause_s=1.0)
    >>> len(samples) / 16_000, int(samples[24_000])
    (3.0, 16384)
    """
    rng = np.random.default_rng(seed)
    parts = []
    for clip in clips:
        quiet = rng.normal(0, 2, round(pause_s * sample_rate))
        parts += [quiet, audio.as_int16(clip, name="clip")]
    parts.append(rng.normal(0, 2, round(pause_s * sample_rate)))
    return np.round(np.concatenate(parts)).astype(np.int16)


def spoken_when(
    clips: Sequence[np.ndarray], *, sample_rate: int, pause_s: float = 1.5
) -> list[tuple[float, float]]:
    """Seconds at which each clip begins and ends in what `with_pauses` makes of them.

    Examples
    --------
    >>> spoken_when([np.zeros(16_000), np.zeros(8_000)], sample_rate=16_000)
    [(1.5, 2.5), (4.0, 4.5)]
    """
    pause = round(pause_s * sample_rate)
    ends = np.cumsum([pause + len(clip) for clip in clips])
    return [
        ((end - len(clip)) / sample_rate, end / sample_rate)
        for clip, end in zip(clips, ends.tolist(), strict=True)
    ]
