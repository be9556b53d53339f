"""Files that are written whole or not at all, and the error that names what is wrong with one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:  # who answers recordings or talks to a board has no tables
    import pandas as pd


# Columns that are text, whatever it looks like: labels may be called 1, or true.
TEXT = (
    *("key", "clip", "path", "corpus", "speaker", "sex", "session", "given_split"),
    *("emotion", "label", "truth", "answer", "predicted"),
)


class DataError(ValueError):
    """A file or folder is not what was expected; the message names it, and both."""


@contextlib.contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Turn an error of the operating system into one that names a file or folder.

    Parameters
    ----------
    path
        Is named where the error itself names none, as that of a full disk.

    Raises
    ------
    DataError
        In place of any `OSError`, but that of a closed pipe.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DataError(
            f"{error.filename or path}: expected to read or write it, "
            f"found: {error.strerror or error}"
        ) from error


def _write(path: str | Path, write: Callable[[BinaryIO], Any]) -> Path:
    """Write through a temporary file in the same folder, so that a stop leaves no half file.

    Raises
    ------
    DataError
        If that is not possible: the disk is full, or the folder not to be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                write(stream)
            os.chmod(temporary, 0o644)  # mkstemp makes files that nobody else can read
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(
            f"{path}: expected to write it, found: {error.strerror or error}"
        ) from error
    return path


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write bytes."""
    return _write(path, lambda stream: stream.write(data))


def write_text(path: str | Path, text: str) -> Path:
    """Write text as UTF-8 with the line ends as they are."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> Path:
    """Write a value as indented JSON with sorted keys.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = write_json(Path(folder.name, "deep", "scores.json"), {"uar": 0.74})
    >>> read_json(path)
    {'uar': 0.74}
    >>> folder.cleanup()
    """
    return write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_table(path: str | Path, table: pd.DataFrame) -> Path:
    """Write a table as CSV without its index."""
    return write_text(path, table.to_csv(index=False, lineterminator="\n"))


def write_array(path: str | Path, array: np.ndarray) -> Path:
    """Write an array as .npy."""
    return _write(path, lambda stream: np.save(stream, array, allow_pickle=False))


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays by name as .npz."""
    return _write(path, lambda stream: np.savez(stream, **arrays))


def read_bytes(path: str | Path) -> bytes:
    """Read a file whole.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a readable file, found: {error.strerror}") from error


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    DataError
        If it is missing or no JSON.

    Examples
    --------
    >>> try:
    ...     read_json("scores.json")
    ... except DataError as error:
    ...     print(error)
    scores.json: expected a readable file, found: No such file or directory
    """
    try:
        return json.loads(read_bytes(path))
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: expected JSON, found: {error}") from error


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV table; empty text stays empty text, and columns of `TEXT` are text.

    Raises
    ------
    DataError
        If it is missing or no table.
    """
    import pandas as pd

    data = read_bytes(path)
    try:
        return pd.read_csv(io.BytesIO(data), keep_default_na=False, dtype=dict.fromkeys(TEXT, str))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a CSV table, found: {error}") from error


def listing(folder: str | Path) -> Iterator[tuple[str, int, int]]:
    """Relative path, size in bytes and time of change in ns of all files but hidden ones, sorted.

    Links are followed, each folder once; a link that leads nowhere is passed over.
    """
    seen = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and real not in seen)
        seen.add(real)
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(here, name)
            try:
                stat = path.stat()
            except OSError:
                continue
            yield path.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns


def open_array(path: str | Path) -> np.ndarray:
    """Open a .npy file; its values stay on disk until they are used.

    Raises
    ------
    DataError
        If it is missing or no array.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path}: expected a readable file, found: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: expected an array, found: {error}") from error


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Arrays by name, in order, from a .npz file.

    Raises
    ------
    DataError
        If it is missing or broken.
    """
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: expected an .npz file, found: {error}") from error


def sha256_bytes(data: bytes | memoryview) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_json(value: Any) -> str:
    """SHA-256 of a value written as canonical JSON, in hexadecimal.

    Examples
    --------
    The order of names does not count:

    >>> sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256_bytes(text.encode("utf-8"))


def plain_numbers(value: Any) -> Any:
    """Turn NumPy scalars and arrays inside a value into what JSON can hold; NaN becomes None.

    Examples
    --------
    >>> plain_numbers({"uar": np.float32(0.741), "lost": np.nan, "n": np.arange(2)})
    {'uar': 0.741, 'lost': None, 'n': [0, 1]}
    """
    if isinstance(value, dict):
        return {str(key): plain_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain_numbers(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else float(f"{value:.6g}")
    return value
