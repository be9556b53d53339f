"""Files that are written whole or not at all, and the error that names what is wrong with one."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd


class DataError(ValueError):
    """A file or folder is not what was expected; the message names it, and both."""


def _write(path: str | Path, write: Callable[[BinaryIO], Any]) -> Path:
    """Write through a temporary file in the same folder, so that a stop leaves no half file."""
    path = Path(path)
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
    return path


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write bytes."""
    return _write(path, lambda stream: stream.write(data))


def write_text(path: str | Path, text: str) -> Path:
    """Write text as UTF-8 with the line ends as they are."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> Path:
    """Write a value as indented JSON with sorted keys."""
    return write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def write_table(path: str | Path, table: pd.DataFrame) -> Path:
    """Write a table as CSV without its index."""
    return write_text(path, table.to_csv(index=False, lineterminator="\n"))


def write_array(path: str | Path, array: np.ndarray) -> Path:
    """Write an array as .npy."""
    return _write(path, lambda stream: np.save(stream, array, allow_pickle=False))


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
    """
    try:
        return json.loads(read_bytes(path))
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: expected JSON, found: {error}") from error


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV table; empty text stays empty text.

    Raises
    ------
    DataError
        If it is missing or no table.
    """
    data = read_bytes(path)
    try:
        return pd.read_csv(io.BytesIO(data), keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a CSV table, found: {error}") from error


def sha256_bytes(data: bytes | memoryview) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_json(value: Any) -> str:
    """SHA-256 of a value written as canonical JSON, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256_bytes(text.encode("utf-8"))


def plain_numbers(value: Any) -> Any:
    """Turn NumPy scalars and arrays inside a value into what JSON can hold; NaN becomes None."""
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
