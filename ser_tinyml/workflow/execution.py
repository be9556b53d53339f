"""One notebook in a fresh kernel of this very interpreter: its lines, its memory, how it failed."""

from __future__ import annotations

import builtins
import contextlib
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import nbformat
import papermill
import psutil
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient.exceptions import DeadKernelError
from tqdm import tqdm
from traitlets import default

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT
from ser_tinyml.workflow.paths import Paths

EXECUTED = "notebook.ipynb"
FAILED = "notebook.failed.ipynb"
PARTIAL = "notebook.partial.ipynb"
POLL_S = 0.25
LOG_INTERVAL_S = 10
GRACE_S = 3  # for what a kernel started to end after it, and to clean up behind itself
LONGEST_MESSAGE = 8  # lines of an exception; TensorFlow's can be hundreds
ERRNO = re.compile(r"\[Errno -?\d+\] (?P<said>.*?)(?:: '(?P<path>.*?)')?(?: -> .*)?")


def execute(
    notebook: nbformat.NotebookNode,
    stage: str,
    folder: Path,
    parameters: Mapping[str, Any],
    *,
    paths: Paths,
    progress: bool,
) -> tuple[float, float]:
    """Execute one notebook; the executed one is left in `folder`.

    Parameters
    ----------
    paths
        For messages; notebooks run in the folder that it knows.
    progress
        Show a progress bar and what the cells print.

    Returns
    -------
    seconds, peak resident memory in MB of the kernel and all its processes

    Raises
    ------
    DataError
        If a cell fails, the kernel dies, or the notebook cannot be written.
    """
    partial = folder / PARTIAL
    files.write_text(partial, nbformat.writes(notebook, version=4))
    bar: dict[str, Any] = {"desc": stage, "leave": False}
    if not sys.stderr.isatty():
        bar |= {"file": _BarInLog(sys.stderr), "mininterval": LOG_INTERVAL_S}
    began = time.monotonic()
    with _PeakMemory() as memory, _Failures(stage, folder, paths, memory), _shown(paths) as shown:
        papermill.execute_notebook(
            partial,
            partial,
            parameters=dict(parameters),
            cwd=paths.notebooks_dir,
            kernel_name="python3",
            kernel_manager_class=_KernelManager,
            shutdown_kernel="immediate",  # "graceful" prints its traceback when interrupted
            progress_bar=bar if progress else False,
            stdout_file=shown[0] if progress else None,
            stderr_file=shown[1] if progress else None,
        )
    os.replace(partial, folder / EXECUTED)
    (folder / FAILED).unlink(missing_ok=True)
    return time.monotonic() - began, memory.peak_mb


def duration(seconds: float) -> str:
    """Seconds as they are read best."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


@contextlib.contextmanager
def _shown(paths: Paths) -> Iterator[tuple[_Lines, _Lines]]:
    """Where a kernel's output and errors go."""
    streams = _Lines(sys.stdout, paths=paths), _Lines(sys.stderr, paths=paths)
    try:
        yield streams
    finally:
        for stream in streams:
            stream.flush_rest()


class _Failures:
    """Says in words how a notebook failed, and keeps it as far as it came."""

    def __init__(self, stage: str, folder: Path, paths: Paths, memory: _PeakMemory) -> None:
        self._stage, self._folder, self._paths, self._memory = stage, folder, paths, memory
        self._began = time.monotonic()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            return
        if isinstance(error, KeyboardInterrupt):
            (self._folder / PARTIAL).unlink(missing_ok=True)
            # nbclient leaves a task behind that says at exit that its kernel died
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            raise KeyboardInterrupt(
                f"stopped in {self._stage}; the same command takes up where it stopped"
            ) from None
        with contextlib.suppress(OSError):
            os.replace(self._folder / PARTIAL, self._folder / FAILED)
        if isinstance(error, papermill.PapermillExecutionError):
            raise DataError(self._cell(error)) from error
        if isinstance(error, DeadKernelError):
            raise DataError(
                f"{self._stage}: expected the notebook to run to its end, found that its process "
                f"died, after {duration(time.monotonic() - self._began)} with up to "
                f"{self._memory.peak_mb:,.0f} MB: was the memory used up? See {self._kept}"
            ) from error

    @property
    def _kept(self) -> str:
        return str(self._folder / FAILED)

    def _cell(self, error: papermill.PapermillExecutionError) -> str:
        """How a cell failed: in one line where the error says all itself."""
        kind = getattr(builtins, error.ename, None)
        if error.ename == DataError.__name__:
            said = error.evalue
        elif isinstance(kind, type) and issubclass(kind, OSError):
            said = self._system(error.evalue)
        else:
            source = error.source.strip().splitlines()
            lines = f"{error.ename}: {self._paths.as_typed(error.evalue)}".strip().splitlines()
            return (
                f"{self._stage} stopped in its cell [{error.exec_count}], which begins with: "
                f"{source[0] if source else ''}\n"
                + "".join(f"  {line}\n" for line in lines[:LONGEST_MESSAGE])
                + f"  the notebook up to there: {self._kept}"
            )
        return (
            f"{self._stage}: {self._paths.as_typed(said)} "
            f"(cell [{error.exec_count}] of {self._kept})"
        )

    def _system(self, said: str) -> str:
        """An error of the operating system, named after the stage's folder if it names no path."""
        found = ERRNO.fullmatch(said)
        path = (found and found["path"]) or self._folder
        return f"{path}: expected to read or write it, found: {found['said'] if found else said}"


class _ThisInterpreter(KernelSpecManager):
    """Knows one kernel: the Python that is running, whatever kernels the user has installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        return KernelSpec(
            # it warns of talking without encryption, which it does with this machine alone
            argv=[
                *(sys.executable, "-m", "ipykernel_launcher"),
                *("-f", "{connection_file}", "--log-level=ERROR"),
            ],
            display_name="Python 3",
            language="python",
            env={
                "MPLBACKEND": "module://matplotlib_inline.backend_inline",
                "PYTHONPATH": os.pathsep.join(paths),
                "TF_CPP_MIN_LOG_LEVEL": "2",
                "TF_USE_LEGACY_KERAS": "1",
            },
        )


class _KernelManager(AsyncKernelManager):
    @default("kernel_spec_manager")
    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return _ThisInterpreter(parent=self)


class _Lines:
    """Prints what a kernel prints, live and above the progress bar.

    A kernel's own progress bars rewrite their line: on a terminal that shows as it happens, in a
    log only their last state does. Paths are named as the user typed them.
    """

    def __init__(self, stream: TextIO, *, paths: Paths) -> None:
        self._stream = stream
        self._paths = paths
        self._rest = ""

    def write(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            line = self._paths.as_typed(line.rstrip("\r").rsplit("\r", 1)[-1])
            tqdm.write(line, file=self._stream)
        if self._rest and "\r" in self._rest:
            self._rest = "\r" + self._rest.rstrip("\r").rsplit("\r", 1)[-1]
            if self._stream.isatty():
                width = os.get_terminal_size(self._stream.fileno()).columns - 1
                self._stream.write(self._rest[: width + 1] + "\x1b[K")
                self._stream.flush()

    def flush(self) -> None:
        self._stream.flush()

    def flush_rest(self) -> None:
        """Print a last line that had no end."""
        if self._rest.strip():
            self.write("\n")


class _BarInLog:
    """Where a progress bar goes that cannot rewrite its line: it gets a new one each time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None)

    def write(self, text: str) -> None:
        if text.strip():
            self._stream.write(text.strip() + "\n")

    def flush(self) -> None:
        self._stream.flush()


class _PeakMemory:
    """Watches the memory of all processes that this one starts; at the end none is left over.

    Pages that processes share count once for each: the true peak is at most this.
    """

    def __enter__(self) -> _PeakMemory:
        self.peak_mb = 0.0
        self._me = psutil.Process()
        self._before = set(self._me.children(recursive=True))
        self._seen: set[psutil.Process] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        _, left = psutil.wait_procs(self._seen, timeout=GRACE_S)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_S):
            total = 0
            for process in set(self._me.children(recursive=True)) - self._before:
                self._seen.add(process)
                try:
                    total += process.memory_info().rss
                except psutil.Error:  # it has just ended
                    continue
            self.peak_mb = max(self.peak_mb, total / 1e6)
