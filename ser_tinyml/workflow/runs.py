"""One run, one folder: where each stage reads what the one before it wrote."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ser_tinyml import files
from ser_tinyml.files import DataError
from ser_tinyml.provenance import ROOT

DONE = "done.json"
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
LOCK = ".lock"
HOLDER = ".lock.json"  # beside the lock, which the system may empty


class Run:
    """The folder of one run.

    Parameters
    ----------
    folder
        For example ``runs/demo``; made when the first stage writes.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    def input(self, stage: str, file: str) -> Path:
        """A file that an earlier stage wrote.

        Raises
        ------
        DataError
            If it is not there.
        """
        path = self.folder / stage / file
        if not path.is_file():
            raise DataError(
                f"{path}: expected what {stage} writes, found nothing: "
                f"run notebooks/{stage}.ipynb with the same run_dir first"
            )
        return path

    def output(self, stage: str) -> Path:
        """The folder a stage writes to; its mark of completion goes, since it is being redone."""
        folder = self.folder / stage
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DONE).unlink(missing_ok=True)
        return folder

    def write_metrics(self, stage: str, metrics: dict[str, Any]) -> Path:
        """Write a stage's numbers as its metrics.json, rounded to six significant digits."""
        return files.write_json(self.folder / stage / "metrics.json", files.plain_numbers(metrics))

    def metrics(self, stage: str) -> dict[str, Any]:
        """The numbers that a stage wrote."""
        return files.read_json(self.input(stage, "metrics.json"))


def folder_of(name: str, *, root: Path = ROOT) -> Path:
    """The folder of a run by its name.

    Raises
    ------
    DataError
        If the name could lead out of ``runs/``.
    """
    if not NAME.fullmatch(name):
        raise DataError(
            f"run {name!r}: expected a name of letters, digits, '.', '_' and '-' that does not "
            "begin with '.'; its folder is runs/<name>"
        )
    return root / "runs" / name


@contextlib.contextmanager
def held(folder: str | Path) -> Iterator[None]:
    """Keep a run's folder for this process alone.

    The lock is the operating system's: it ends with the process, however that ends.

    Raises
    ------
    DataError
        If another process holds it; the message says which, where and since when.
    """
    import filelock

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = filelock.FileLock(folder / LOCK, blocking=False).acquire()
    except filelock.Timeout:
        raise DataError(f"{folder}: expected a run of its own, found {_holder(folder)}") from None
    with lock:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        holder = {"pid": os.getpid(), "since": since, "host": socket.gethostname()}
        files.write_json(folder / HOLDER, holder)
        try:
            yield
        finally:
            (folder / HOLDER).unlink(missing_ok=True)


def _holder(folder: Path) -> str:
    """Who writes to a folder; the file is not there yet where they have only just begun."""
    try:
        known = json.loads((folder / HOLDER).read_bytes())
        return f"process {known['pid']} on {known['host']} at work in it since {known['since']}"
    except (OSError, ValueError):
        return "another process at work in it"
